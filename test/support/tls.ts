// A Redis server that also takes TLS connections, with a certificate of a certificate authority of the test's own.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort, type RedisServer, startRedis } from './redis-server.js'

export interface TlsServer extends RedisServer {
  tlsPort: number
  /** The certificate of the authority, without which nobody trusts the server. */
  ca: string
}

export async function startTlsRedis(t: Test): Promise<TlsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'session-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [caKey, ca, key, certificate] = ['ca.key', 'ca.crt', 'server.key', 'server.crt'].map((name) =>
    join(folder, name)
  ) as [string, string, string, string]
  issue(caKey, ca, ['-subj', '/CN=private authority'])
  const subject = ['-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1']
  issue(key, certificate, [...subject, '-CA', ca, '-CAkey', caKey])
  const tlsPort = await freePort()
  const settings = {
    'tls-port': String(tlsPort),
    'tls-ca-cert-file': ca,
    'tls-cert-file': certificate,
    'tls-key-file': key,
    'tls-auth-clients': 'no'
  }
  const server = await startRedis(
    t,
    ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  )
  return Object.assign(server, { tlsPort, ca: readFileSync(ca, 'utf8') })
}

function issue(key: string, certificate: string, more: string[]): void {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const args = ['req', '-x509', '-days', '1', ...curve, '-keyout', key, '-out', certificate, ...more]
  try {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (cause) {
    throw new Error('The TLS tests make certificates with openssl 3: install it.', { cause })
  }
}
