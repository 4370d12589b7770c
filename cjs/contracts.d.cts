import type * as esm from '../dist/contracts/index.js' with { 'resolution-mode': 'import' }

export type {
  Attack,
  Clause,
  Contract,
  SerializerContractOptions,
  StoreContractOptions,
  ValueName
} from '../dist/contracts/index.js' with { 'resolution-mode': 'import' }
export declare const serializerContract: typeof esm.serializerContract
export declare const storeContract: typeof esm.storeContract
