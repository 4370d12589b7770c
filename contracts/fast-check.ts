// fast-check, which only who runs a contract needs to install.
export type FastCheck = Omit<typeof import('fast-check'), 'default'>

/** Always the same, so that a contract finds the same things each time. */
export const SEED = 20260901

/** @throws an Error that names the package, if it is not installed. */
export async function fastCheck(): Promise<FastCheck> {
  try {
    return await import('fast-check')
  } catch (cause) {
    throw new Error('this contract needs fast-check: npm install --save-dev fast-check', { cause })
  }
}
