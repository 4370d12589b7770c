// The browser for the tests.
import { unpackDebianApplication } from '../../scripts/debian-package.js'
import { provideProgram } from '../../scripts/program.js'

/** The path of its binary. If this machine has none, it is unpacked from Debian's package. */
export const provideChromium = (): string =>
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
