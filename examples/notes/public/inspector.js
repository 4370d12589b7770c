// Shows what the store holds: polls /inspect every second, and redraws when something has changed.
import { isOver, showEnd } from './ended.js'

const EVERY = 1_000
const WIDE_ROW = 16
const NARROW_ROW = 8

const find = (id) => document.getElementById(id)
let drawn = ''

async function refresh() {
  try {
    const response = await fetch('/inspect', { headers: { accept: 'application/json' } })
    if (!response.ok) throw new Error(`The store does not answer (status ${response.status})`)
    const { session, why } = await response.json()
    if (session === null) showEnd(why)
    if (isOver) return
    say('')
    draw(session)
  } catch (error) {
    if (isOver) return
    say(
      `${error instanceof TypeError ? 'The server does not answer' : error.message}. Still trying; the page shows the last answer.`
    )
  }
  setTimeout(refresh, EVERY)
}

function draw({ key, writer, record, fields, sizes, idle, absolute, data }) {
  clock('idle', idle)
  clock('absolute', absolute)
  find('live').hidden = false
  const row = find('dump').clientWidth >= 560 ? WIDE_ROW : NARROW_ROW
  // An unchanged record is not redrawn, so that its text can be selected.
  if (drawn === record + row + writer) return
  drawn = record + row + writer
  find('key').textContent = key
  find('data').textContent = data
  find('length').textContent = `${record.length / 2} bytes: header 32, payload ${record.length / 2 - 32}`
  drawSizes(sizes, writer)
  drawFields(fields)
  drawDump(record, fields, row)
  markIfNew(record.slice(28, 44))
}

function drawSizes(sizes, writer) {
  const largest = Math.max(...sizes.map(({ bytes }) => bytes))
  const items = sizes.map(({ name, bytes, isExact, isUsed }) => {
    const notes = [
      isUsed ? 'in use' : name === writer ? 'next in use' : '',
      isExact ? 'keeps every type' : 'loses types'
    ]
    const bar = element('div', 'bar', element('i'))
    bar.firstChild.style.width = `${(100 * bytes) / largest}%`
    return element(
      'li',
      isUsed ? 'used' : '',
      element('span', 'name', name),
      bar,
      element('span', 'bytes', `${bytes} B`),
      element('span', 'note', notes.filter(Boolean).join(', '))
    )
  })
  find('sizes').replaceChildren(...items)
}

function drawFields(fields) {
  const rows = fields.flatMap(({ name, value }, index) => [
    element('dt', `field hue-${index}`, name),
    element('dd', '', value)
  ])
  find('fields').replaceChildren(...rows)
}

// Draws offset, bytes in hex, and bytes as text. Bytes of a header field have the colour of its name above.
function drawDump(record, fields, row) {
  const bytes = record.match(/../g)
  const hues = fields.flatMap(({ length }, index) => Array(length).fill(`field hue-${index}`))
  const lines = []
  for (let at = 0; at < bytes.length; at += row) {
    const part = bytes.slice(at, at + row)
    const cells = part.map((byte, index) => element('span', hues[at + index] ?? '', byte))
    const text = part
      .map((byte) => parseInt(byte, 16))
      .map((code) => (code > 31 && code < 127 ? String.fromCharCode(code) : '·'))
    lines.push(
      element('span', 'offset', at.toString(16).padStart(4, '0')),
      '  ',
      ...cells.flatMap((cell) => [cell, ' ']),
      '   '.repeat(row - part.length),
      ' ',
      element('span', 'text', text.join('')),
      '\n'
    )
  }
  find('dump').replaceChildren(...lines)
}

// Each form loads the page again, so the last revision is kept in the session storage.
function markIfNew(revision) {
  const isNew = sessionStorage.getItem('revision') !== revision
  sessionStorage.setItem('revision', revision)
  if (!isNew) return
  find('live').classList.remove('changed')
  requestAnimationFrame(() => find('live').classList.add('changed'))
}

function clock(id, { left, of }) {
  const seconds = Math.max(0, Math.round(left / 1000))
  const days = Math.floor(seconds / 86_400)
  const time = new Date((seconds % 86_400) * 1000).toISOString().slice(11, 19)
  find(id).textContent = days > 0 ? `${days} d ${time}` : time
  find(`${id}-bar`).firstChild.style.width = `${Math.max(0, Math.min(100, (100 * left) / of))}%`
}

function say(text) {
  const status = find('status')
  if (status.textContent !== text) status.textContent = text
}

function element(name, className = '', ...children) {
  const made = document.createElement(name)
  if (className !== '') made.className = className
  made.append(...children)
  return made
}

refresh()
