// Loaded before tap, which follows every promise by an async hook to tell which test an uncaught error belongs to. That
// takes a good part of a test's CPU. Without it, such an error ends the process, and the whole file fails.
import hooks from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'

// Not in the processes that a test starts.
process.execArgv.splice(process.execArgv.indexOf(`--import=${import.meta.url}`), 1)
hooks.createHook = () => {
  const hook = { enable: () => hook, disable: () => hook }
  return hook
}
syncBuiltinESMExports()
