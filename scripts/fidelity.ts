// `npm run fidelity`: prints the tables of docs/serializers.md: the values that each serializer keeps, and its bytes.
// `--check FILE` compares them with the tables between the markers of that file.
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { isKept, type Sample, samples, sessions } from '../contracts/values.js'
import { Codec } from '../lib/data/codec.js'
import { serializers } from '../serializers/index.js'

const LIMIT = 1_048_576
const names = Object.keys(serializers)
const codecs = await Promise.all(
  Object.values(serializers).map(async (serializer) => {
    const codec = new Codec(serializer, [], LIMIT)
    await codec.load(serializer.tag)
    return codec
  })
)

function becomes(sample: Sample, codec: Codec): string {
  let payload: Uint8Array
  try {
    payload = codec.encode({ value: sample.value }).payload
  } catch {
    return 'error'
  }
  const { value } = codec.decode(codec.writer.tag, payload)
  if (isKept(sample, value)) return 'kept'
  return sample.becomes ?? (value === undefined ? 'lost' : `lost: becomes ${code(value)}`)
}

function code(value: unknown): string {
  const text = inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 2 }).split('\n')[0] ?? ''
  return `\`${text.replaceAll('|', '\\|')}\``
}

function table(head: string, rows: (readonly [string, ...(string | number)[]])[]): string {
  const lines = [[head, ...names], ['---', ...names.map(() => '---')], ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const fidelity = table(
  'value',
  samples.map((sample) => [sample.name, ...codecs.map((codec) => becomes(sample, codec))] as const)
)
const sizes = table(
  'bytes of a session',
  Object.entries(sessions).map(
    ([name, data]) => [name, ...codecs.map((codec) => codec.encode(data).payload.length)] as const
  )
)
const text = `${fidelity}\n\n${sizes}`

const [flag, file] = process.argv.slice(2)
if (flag === '--check' && file !== undefined) {
  const [, written] =
    /<!-- fidelity -->\n([\s\S]*?)\n<!-- \/fidelity -->/.exec(readFileSync(file, 'utf8')) ?? []
  if (written?.trim() !== text) {
    console.error(
      `${file} is out of date: replace the text between its fidelity markers by npm run fidelity.`
    )
    process.exitCode = 1
  }
} else {
  console.log(text)
}
