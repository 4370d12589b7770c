// Flask with the real Flask-Session, in a process of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { unpackDebianPackage } from '../../scripts/debian-package.js'
import { OLD_SECRET, type Start, urlOf } from './real-applications.js'

/**
 * Python with Flask-Session 0.8, unpacked from packages of Debian 13.
 * @throws If this machine has no apt, or if apt finds no such package or no network.
 */
export const providePython = (): string =>
  unpackDebianPackage('flask-session', 'python3', 'trixie', [
    'python3-flask-session',
    'python3-msgspec',
    'python3-redis'
  ])

export function flaskApp(format: 'msgpack' | 'json', signer: 'signed' | 'unsigned'): Start {
  return async (t, { port }) => {
    const program = resolve('test/adopt/flask_application.py')
    const child = spawn(providePython(), ['-B', program, String(port), OLD_SECRET, format, signer], {
      stdio: ['pipe', 'pipe', 'ignore']
    })
    t.teardown(async () => {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    })
    const [line] = await once(createInterface(child.stdout), 'line')
    const [version, own] = String(line).split(' ')
    if (!version?.startsWith('0.8.')) throw new Error(`Flask-Session does not start: ${line}`)
    return urlOf({ address: '', family: '', port: Number(own) })
  }
}
