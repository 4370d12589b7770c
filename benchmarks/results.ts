// The results of a run as JSON: tables of flat rows, with the facts about machine and versions that they depend on.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export type PartName =
  | 'server'
  | 'peers'
  | 'serializers'
  | 'encryption'
  | 'growth'
  | 'allocations'
  | 'profile'

/** A flat row, so that tables, charts and comparisons can treat all rows alike. */
export type Row = Readonly<Record<string, string | number | boolean>>

export interface Column {
  key: string
  /** The heading, with the unit. */
  title: string
  /**
   * `name`: part of the row's identity. `cost`: lower is better, and a comparison checks it. A row may hold the
   * interval of a cost under `${key}Low` and `${key}High`. `note`: anything else.
   */
  role: 'name' | 'cost' | 'note'
  digits?: number
}

export interface Table {
  /** Unique within its part. */
  name: string
  title: string
  columns: readonly Column[]
  rows: readonly Row[]
}

export interface Machine {
  cpu: string
  cores: number
  memoryGiB: number
  system: string
  node: string
  redis: string
  /** Load average of the last minute before the run. */
  load: number
  /** Whether the server under test had its own core. */
  pinned: boolean
}

export interface Results {
  startedAt: string
  seconds: number
  machine: Machine
  /** The version of each measured package. */
  versions: Readonly<Record<string, string>>
  /** The command line. */
  options: Readonly<Record<string, unknown>>
  parts: Partial<Record<PartName, readonly Table[]>>
}

export const LATEST = fileURLToPath(new URL('./results/latest.json', import.meta.url))

const MEASURED = [
  ...['fastify', '@fastify/cookie', 'ioredis', 'msgpackr', 'superjson'],
  ...['@fastify/session', '@mgcrea/fastify-session', '@mgcrea/fastify-session-redis-store'],
  ...['express', 'express-session', 'connect-redis', 'autocannon', 'mitata']
]

export function readResults(file: string): Results {
  return JSON.parse(readFileSync(file, 'utf8'))
}

export function writeResults(file: string, results: Results): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
}

export function describeMachine(redis: string, pinned: boolean): Machine {
  const [first] = cpus()
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch} ${release()}`,
    node: process.version,
    redis,
    load: loadavg()[0] ?? 0,
    pinned
  }
}

export function describeVersions(): Record<string, string> {
  return Object.fromEntries(MEASURED.map((name) => [name, versionOf(name)]))
}

// Not every package exports its package.json, so this searches the folders in which Node searches for packages.
function versionOf(name: string): string {
  const paths = createRequire(import.meta.url).resolve.paths(name) ?? []
  for (const folder of paths) {
    try {
      return JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')).version
    } catch {}
  }
  throw new Error(`${name} is not installed`)
}
