import type * as esm from '../dist/lib/testing/index.js' with { 'resolution-mode': 'import' }

export type {
  SignedInOptions,
  TestOptions
} from '../dist/lib/testing/index.js' with { 'resolution-mode': 'import' }
export type Browser = esm.Browser
export declare const Browser: typeof esm.Browser
export declare const sessionOf: typeof esm.sessionOf
export declare const signedIn: typeof esm.signedIn
