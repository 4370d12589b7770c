// Loads an application as fastify-cli does, without listening.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance, FastifyPluginCallback } from 'fastify'
import { OptionError } from '../errors.js'
import { UsageError } from './io.js'

/**
 * @param path A module that exports a plugin `(fastify, options)`, a function that returns an application, or an
 * application.
 * @throws {UsageError} if it cannot be loaded or does not start
 */
export async function openApplication(path: string): Promise<FastifyInstance> {
  const exported = exportOf(await load(path), path)
  try {
    const app = isApplication(exported) ? exported : await build(exported)
    await app.ready()
    return app
  } catch (error) {
    // The messages of others may quote addresses with passwords.
    if (error instanceof OptionError) throw error
    throw new UsageError(
      `the application ${path} does not start (${nameOf(error)}): start it by itself to see why`
    )
  }
}

async function load(path: string): Promise<object> {
  try {
    return await import(pathToFileURL(resolve(path)).href)
  } catch (error) {
    throw new UsageError(
      `the application ${path} cannot be loaded (${nameOf(error)}): name a module by --app`
    )
  }
}

type Build = (fastify: FastifyInstance, options: object, done?: unknown) => unknown

function exportOf(module: { default?: unknown; app?: unknown }, path: string): FastifyInstance | Build {
  const exported = module.default ?? module.app
  if (isApplication(exported) || typeof exported === 'function') return exported as FastifyInstance | Build
  throw new UsageError(
    `the module ${path} exports no application: export default async (fastify, options) => {…}`
  )
}

function isApplication(value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'ready' in value && 'server' in value
}

async function build(exported: Build): Promise<FastifyInstance> {
  const { default: Fastify } = await import('fastify')
  const app = Fastify()
  if (exported.length > 2) {
    await app.register(exported as FastifyPluginCallback)
    return app
  }
  let returned: unknown
  await app.register(async (fastify) => {
    returned = await exported(fastify, {})
  })
  return isApplication(returned) && returned.server !== app.server ? returned : app
}

function nameOf(error: unknown): string {
  const { code, name } = (error ?? {}) as NodeJS.ErrnoException
  return code ?? name ?? 'no reason'
}
