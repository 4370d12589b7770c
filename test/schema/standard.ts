// Standard Schemas, written by hand.
import type { Dictionary } from '../../lib/index.js'
import type { Issue, Result, StandardSchema } from '../../lib/schema/standard-schema.js'

/** A schema of one function. */
export function standard<Output extends object>(
  validate: (data: Dictionary) => Result<Output> | Promise<Result<Output>>
): StandardSchema<unknown, Output> {
  return { '~standard': { version: 1, vendor: 'test', validate: (value) => validate(value as Dictionary) } }
}

/** A schema that only checks, key by key. */
export function checking(
  checks: Record<string, (value: unknown) => boolean>
): StandardSchema<unknown, Dictionary> {
  return standard((data) => {
    const issues: Issue[] = Object.entries(checks).flatMap(([key, isFine]) =>
      data[key] === undefined || isFine(data[key])
        ? []
        : [{ message: `not ${JSON.stringify(data[key])}`, path: [key] }]
    )
    return issues.length > 0 ? { issues } : { value: data }
  })
}

export const isText = (value: unknown): boolean => typeof value === 'string'
export const isNumber = Number.isFinite as (value: unknown) => boolean
