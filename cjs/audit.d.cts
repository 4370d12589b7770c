import type * as esm from '../dist/lib/audit/index.js' with { 'resolution-mode': 'import' }

export type AuditRow = esm.AuditRow
export type AuditStatus = esm.AuditStatus
export declare const auditSession: typeof esm.auditSession
