// `npm publish` runs this first. It checks that package.json names the repository.
import { readFileSync } from 'node:fs'

const { repository } = JSON.parse(readFileSync('package.json', 'utf8'))
if (repository.url.includes('/OWNER/')) {
  console.error(
    'package.json: repository.url still names OWNER. Replace it with the account of the repository: npm derives ' +
      'homepage, bugs and the links and pictures of the README from it.'
  )
  process.exitCode = 1
}
