// What `fastify-ioredis-session/audit` exports: which requirements of OWASP ASVS 5.0 a configuration meets.
export { type AuditRow, type AuditStatus, auditSession } from './audit.js'
