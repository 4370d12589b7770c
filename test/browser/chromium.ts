// The browsers of the tests.
import { type Browser, type BrowserServer, chromium } from 'playwright-core'
import { unpackDebianApplication } from '../../scripts/debian-package.js'
import { provideProgram } from '../../scripts/program.js'

/** The path of its binary. If this machine has none, it is unpacked from Debian's package. */
const provideChromium = (): string =>
  provideProgram({
    name: 'Chromium browser',
    variable: 'CHROMIUM',
    binaries: ['chromium', 'chromium-browser', 'google-chrome'],
    pack: 'chromium',
    folder: 'chromium',
    unpack: () => unpackDebianApplication('chromium', 'chromium', 'usr/lib/chromium/chromium'),
    install: {
      'apt-get': 'sudo apt-get install chromium',
      dnf: 'sudo dnf install chromium',
      apk: 'sudo apk add chromium',
      pacman: 'sudo pacman -S chromium',
      brew: 'brew install --cask chromium'
    }
  })

const running: BrowserServer[] = []

/** @param args Further arguments of the browser. */
export async function openBrowser(
  args: readonly string[],
  ignoreDefaultArgs: string[] = []
): Promise<Browser> {
  const server = await chromium.launchServer({
    executablePath: provideChromium(),
    host: '127.0.0.1',
    args: ['--no-sandbox', '--disable-gpu', ...args],
    ignoreDefaultArgs
  })
  running.push(server)
  return chromium.connect(server.wsEndpoint())
}

/** Ends them for certain. A browser that is asked to close may take any time. */
export async function killBrowsers(): Promise<void> {
  await Promise.all(running.map((server) => server.kill()))
}
