// Flask with the real Flask-Session, in a process of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { unpackDebianPackage } from '../../scripts/debian-package.js'
import type { RedisServer } from '../support/redis-server.js'
import { OLD_SECRET } from './real-applications.js'

export interface FlaskApps {
  version: string
  /** The URLs of its applications. */
  unsigned: string
  signed: string
}

/**
 * Starts Python with Flask-Session 0.8, unpacked from packages of Debian 13.
 * @throws If this machine has no apt, or if apt finds no such package or no network.
 */
export async function startFlask(t: Test, { port }: RedisServer): Promise<FlaskApps> {
  const modules = ['python3-flask-session', 'python3-msgspec', 'python3-redis']
  const python = unpackDebianPackage('flask-session', 'python3', 'trixie', modules)
  const program = resolve('test/adopt/flask_application.py')
  // -I: whatever this machine says of Python is not meant for this one.
  const child = spawn(python, ['-I', program, String(port), OLD_SECRET], {
    stdio: ['pipe', 'pipe', 'ignore']
  })
  const exit = once(child, 'exit')
  t.teardown(() => {
    child.stdin.end()
    return exit
  })
  const ended = exit.then(() => Promise.reject(new Error('Flask does not start; run flask_application.py')))
  ended.catch(() => {})
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), ended])
  const [version = '', ...ports] = String(line).split(' ')
  const [unsigned = '', signed = ''] = ports.map((own) => `http://127.0.0.1:${own}`)
  return { version, unsigned, signed }
}
