// `npm publish` runs this first: whoever publishes has said where the package lives.
import { readFileSync } from 'node:fs'

const { repository } = JSON.parse(readFileSync('package.json', 'utf8'))
if (repository.url.includes('/OWNER/')) {
  console.error(
    'package.json: repository.url still names OWNER. Put the account there that holds the repository: npm takes homepage, ' +
      'bugs and the links and pictures of the README from it.'
  )
  process.exitCode = 1
}
