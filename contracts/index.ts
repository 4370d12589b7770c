// What `fastify-ioredis-session/contracts` exports: the contracts of stores and serializers, for whoever writes one.
export type { Attack } from './attacks.js'
export type { Clause, Contract } from './contract.js'
export { type SerializerContractOptions, serializerContract } from './serializer.js'
export { type StoreContractOptions, storeContract } from './store.js'
export type { ValueName } from './values.js'
