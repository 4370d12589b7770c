// The contract of serializers in tap.
import type { Test } from 'tap'
import { type SerializerContractOptions, serializerContract } from '../../contracts/serializer.js'
import type { Serializer } from '../../serializers/serializer.js'

/** Seconds for a clause. A busy machine may need more than the default. */
export const PATIENCE = 500

/** Runs the contract as subtests of this test. */
export function testSerializer(t: Test, serializer: Serializer, options: SerializerContractOptions): void {
  const contract = serializerContract(serializer, {
    execArgv: process.execArgv,
    patience: PATIENCE,
    ...options
  })
  for (const { name, run } of contract) t.test(`${serializer.name}: ${name}`, run)
}
