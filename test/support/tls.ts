// A Redis server that also accepts TLS connections, with a certificate of a test authority.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort, type RedisServer, startRedis } from './redis-server.js'

export interface TlsServer extends RedisServer {
  tlsPort: number
  /** The certificate of the authority. Clients need it to trust the server. */
  ca: string
  /** Client certificates: one of that authority, one of another. */
  own: Identity
  foreign: Identity
}

export interface Identity {
  cert: string
  key: string
}

/** @param auth Whether clients must present a certificate too. */
export async function startTlsRedis(t: Test, auth: 'yes' | 'no' = 'no'): Promise<TlsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'session-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const authority = issue(join(folder, 'ca'), ['-subj', '/CN=private authority'])
  const signed = ['-CA', authority.cert, '-CAkey', authority.key]
  const server = issue(join(folder, 'server'), [
    ...['-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...signed
  ])
  const own = issue(join(folder, 'own'), ['-subj', '/CN=sessions', ...signed])
  const foreign = issue(join(folder, 'foreign'), ['-subj', '/CN=sessions'])
  const tlsPort = await freePort()
  const settings = {
    'tls-port': String(tlsPort),
    'tls-ca-cert-file': authority.cert,
    'tls-cert-file': server.cert,
    'tls-key-file': server.key,
    'tls-auth-clients': auth
  }
  const redis = await startRedis(
    t,
    ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  )
  const read = ({ cert, key }: Identity) => ({
    cert: readFileSync(cert, 'utf8'),
    key: readFileSync(key, 'utf8')
  })
  return Object.assign(redis, { tlsPort, ca: read(authority).cert, own: read(own), foreign: read(foreign) })
}

/** Creates a key and a certificate: two files with this prefix. */
export function issue(path: string, more: string[]): Identity {
  const [key, cert] = [`${path}.key`, `${path}.crt`]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const args = ['req', '-x509', '-days', '1', ...curve, '-keyout', key, '-out', cert, ...more]
  try {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (cause) {
    throw new Error('The TLS tests make certificates with openssl 3: install it.', { cause })
  }
  return { key, cert }
}
