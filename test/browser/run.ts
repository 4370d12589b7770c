// `npm run test:browser`: a real browser uses the example with a real Redis. Each step builds on the earlier ones.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { Test } from 'tap'
import { provideRedisServer } from '../../scripts/redis-binary.js'
import { freePort, startRedis } from '../support/redis-server.js'
import { LIBRARIES, moveIn } from './adoption.js'
import { killBrowsers, openBrowser } from './chromium.js'
import { driveDeviceBound } from './device-bound.js'
import { type RunningExample, startExample } from './start-example.js'

const PATIENCE = 20_000
/** Milliseconds for a step or an ending. Playwright waits for some answers without a limit. */
const LIMIT = 120_000
const PHONE = {
  userAgent:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 ' +
    'Mobile/15E148 Safari/604.1'
}
/** Errors in the console of any page. */
const complaints: string[] = []
const counts = { passed: 0, failed: 0 }
let folder: string | undefined
const endings: (() => unknown)[] = []
const t = { teardown: (end: () => unknown): void => void endings.unshift(end) }

try {
  await limited(drive, 10 * LIMIT)
} catch (error) {
  counts.failed++
  console.error((error as Error).message)
}
// The browsers first: a server waits for connections that a browser keeps.
for (const end of [killBrowsers, ...endings]) {
  await limited(end).catch((error: Error) => {
    counts.failed++
    console.log(`not ok - after the tests: ${end}\n${error.stack}`)
  })
}
console.log(`${counts.passed} passed, ${counts.failed} failed`)
// What did not end would keep this process alive.
process.exit(counts.failed > 0 ? 1 : 0)

async function step(name: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await limited(work)
    counts.passed++
    console.log(`ok - ${name}`)
  } catch (error) {
    counts.failed++
    console.log(`not ok - ${name}\n${(error as Error).stack}`)
  }
}

async function limited(work: () => unknown, milliseconds = LIMIT): Promise<void> {
  const limit = new AbortController()
  const late = pause(milliseconds, undefined, limit).then(() =>
    Promise.reject(new Error(`not within ${milliseconds} ms`))
  )
  try {
    await Promise.race([(async () => work())(), late])
  } finally {
    limit.abort()
  }
}

async function drive(): Promise<void> {
  process.env.REDIS_SERVER = provideRedisServer()
  const browser = await openBrowser(
    [
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync'
    ],
    // Playwright disables this cache, which could bring back a signed-in page.
    ['--disable-back-forward-cache']
  )
  // startRedis() needs only the teardown of a test.
  const redis = await startRedis(t as unknown as Test)
  const port = String(await freePort())
  const start = (serializer: string): Promise<RunningExample> =>
    startExample(t, { PORT: port, REDIS_URL: redis.url, SESSION_SERIALIZER: serializer })
  const first = await start('json')
  const { url } = first
  /** The keys of records, without those of the index. */
  const recordKeys = async (): Promise<string[]> =>
    (await redis.client.keys('*')).filter((key) => !key.startsWith('session:user:'))
  const page = await openPage(browser)

  await step('a visitor is asked to sign in, and nothing is stored', async () => {
    await page.goto(url)
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await picture(page, 'signed-out')
    assert.deepEqual(await page.context().cookies(), [])
    assert.deepEqual(await redis.client.keys('*'), [])
  })

  await step('signing in works with the keyboard only', async () => {
    await page.keyboard.type('Ada')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Space')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByText('Signed in as Ada').waitFor()
    const [cookie] = await page.context().cookies()
    assert.equal(cookie?.name, 'session')
    assert.equal(cookie?.httpOnly, true)
    assert.equal(cookie?.sameSite, 'Lax')
    const days = ((cookie?.expires ?? 0) - Date.now() / 1000) / 86_400
    assert.ok(days > 30 && days <= 31, `kept for ${days} days`)
  })

  await step('the inspector shows the key in Redis and the content of its record', async () => {
    await inspects(page, 'json, tag 1')
    const [key] = await recordKeys()
    assert.equal(await page.locator('#key').textContent(), key)
    const record = await redis.client.getBuffer(key ?? '')
    assert.match((await page.locator('#length').textContent()) ?? '', new RegExp(`^${record?.length} bytes`))
    assert.match((await page.locator('#fields').textContent()) ?? '', /permanent: yes, moved: no/)
  })

  await step('an added note appears on the page and in the record, as text and not as HTML', async () => {
    await addNote(page, 'Buy <b>milk</b> & bread', 'home, urgent')
    await page.getByText('Buy <b>milk</b> & bread', { exact: true }).waitFor()
    await page.locator('#data').getByText('<b>milk</b>').waitFor()
    assert.equal(await page.locator('main b').count(), 0)
    await page.locator('#text:focus').waitFor()
  })

  await step('watching the inspector does not extend the session', async () => {
    const before = (await page.locator('#idle').textContent()) ?? ''
    const touched = await page.locator('#fields').textContent()
    await page.locator('#idle', { hasText: before }).waitFor({ state: 'hidden' })
    assert.equal(await page.locator('#fields').textContent(), touched)
  })

  await step('after a restart with another serializer the user is still signed in', async () => {
    assert.equal(await first.stop(), 0)
    await page.getByText('The server does not answer').waitFor()
    await start('msgpack')
    await page.getByText('The server does not answer').waitFor({ state: 'hidden' })
    await page.reload()
    await page.getByText('Signed in as Ada').waitFor()
    await page.getByText('Buy <b>milk</b> & bread', { exact: true }).waitFor()
    await inspects(page, 'json, tag 1')
  })

  await step('the next change is written by the new serializer, and nothing is lost', async () => {
    await addNote(page, 'Written as msgpack', 'new')
    await inspects(page, 'msgpack, tag 3')
    await page.getByText('Buy <b>milk</b> & bread', { exact: true }).waitFor()
    assert.equal(await page.locator('.notes li').count(), 3)
    assert.equal(await page.locator('.tag').allTextContents().then(String), 'new')
  })

  await step('the page is readable in light and dark, wide and narrow, without horizontal scrolling', () =>
    isReadable(page, 'notes', async () => {
      await page.reload()
      await inspects(page, 'msgpack, tag 3')
    })
  )

  const other = await openPage(browser)
  await step('another user signs in with another browser, and gets another record', async () => {
    await signIn(other, url, 'Grace')
    await inspects(other, 'msgpack, tag 3')
    assert.notEqual(await other.locator('#key').textContent(), await page.locator('#key').textContent())
    assert.equal((await recordKeys()).length, 2)
    const [cookie] = await other.context().cookies()
    assert.equal(cookie?.expires, -1)
  })

  await step('a second tab shares the session, and shows changes of the first tab', async () => {
    const tab = await page.context().newPage()
    await tab.goto(url)
    await inspects(tab, 'msgpack, tag 3')
    await addNote(page, 'From the first tab', '')
    await tab.locator('#data').getByText('From the first tab').waitFor()
    await tab.close()
  })

  await step(
    'after signing out the record is deleted, and the back button shows none of its data',
    async () => {
      await inspects(page, 'msgpack, tag 3')
      const key = (await page.locator('#key').textContent()) ?? ''
      assert.equal(await redis.client.exists(key), 1)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.getByRole('heading', { name: 'Sign in' }).waitFor()
      assert.equal(await redis.client.exists(key), 0)
      assert.deepEqual(await page.context().cookies(), [])
      for (let times = 0; times < 3; times++) {
        await page.goBack({ waitUntil: 'domcontentloaded' })
        await page.getByRole('heading', { name: 'Sign in' }).waitFor()
        assert.ok(!(await page.content()).includes('milk'))
      }
    }
  )

  await step('if the session ends elsewhere, the page says so and links to the sign-in', async () => {
    await redis.client.del((await other.locator('#key').textContent()) ?? '')
    await other.getByRole('link', { name: 'Sign in again' }).click()
    await other.getByRole('heading', { name: 'Sign in' }).waitFor()
    await signIn(other, url, 'Grace')
  })

  await driveDevices(browser, url)

  await step('while Redis is down the page says so, and requests get 503', async () => {
    await redis.stop()
    await other.locator('#status').getByText('The store does not answer (status 503)').waitFor()
    const response = await other.reload()
    assert.equal(response?.status(), 503)
    await other.getByRole('heading', { name: 'Your session is out of reach' }).waitFor()
    await picture(other, 'away')
  })

  await step('when Redis is up again the page recovers, and signing in works', async () => {
    await redis.restart()
    await other.getByRole('heading', { name: 'Sign in' }).waitFor()
    await signIn(other, url, 'Grace')
    await inspects(other, 'msgpack, tag 3')
  })

  for (const [name, start, adopter] of LIBRARIES) {
    await step(`a browser that has signed in with ${name} moves here, back, here again, and out`, async () =>
      moveIn(t as unknown as Test, await openPage(browser), redis, start, adopter)
    )
  }

  await step('the browser logged no errors', async () => assert.deepEqual(complaints, []))

  await driveDeviceBound(t, step, await startRedis(t as unknown as Test))
}

async function driveDevices(browser: Browser, url: string): Promise<void> {
  const [laptop, phone, tablet] = [
    await openPage(browser),
    await openPage(browser, PHONE),
    await openPage(browser)
  ]
  const devices = laptop.getByRole('listitem')
  const notice = (page: Page) => page.getByText('You signed out this browser from another device.')

  await step('"Your devices" lists both browsers of a user, and marks the one that asks', async () => {
    await signIn(laptop, url, 'Linus')
    await signIn(phone, url, 'Linus')
    await laptop.getByRole('link', { name: 'Your devices' }).click()
    assert.equal(await devices.count(), 2)
    await devices.filter({ hasText: 'this browser' }).getByText('Chrome on Linux').waitFor()
    await phone.goto(`${url}/devices`)
    const marked = phone.getByRole('listitem').filter({ hasText: 'this browser' })
    await marked.getByText('Safari on iOS').waitFor()
    assert.equal(await marked.count(), 1)
  })

  await step('a browser that is signed out from another one says so at once, and why', async () => {
    const button = devices.filter({ hasText: 'Safari on iOS' }).getByRole('button')
    await button.focus()
    await laptop.keyboard.press('Enter')
    await notice(phone).waitFor()
    assert.equal(await phone.getByText('Linus').count(), 0)
    await isReadable(phone, 'ended')
    await laptop.getByText('You are signed in nowhere else.').waitFor()
    assert.equal(await devices.count(), 1)
  })

  await step('its next request is anonymous, and it can sign in again with the keyboard only', async () => {
    await phone.keyboard.press('Enter')
    await phone.getByRole('heading', { name: 'Sign in' }).waitFor()
    await notice(phone).waitFor()
    assert.deepEqual(await phone.context().cookies(), [])
    await phone.reload()
    await phone.getByRole('heading', { name: 'Sign in' }).waitFor()
    assert.equal(await notice(phone).count(), 0)
  })

  await step(
    '"Sign out everywhere else" is told on all other pages, on a hidden one when it is shown',
    async () => {
      await signIn(phone, url, 'Linus')
      await inspects(phone, 'msgpack, tag 3')
      await signIn(tablet, url, 'Linus')
      await tablet.goto(`${url}/devices`)
      await turn(tablet, 'hidden')
      await laptop.reload()
      assert.equal(await devices.count(), 3)
      await isReadable(laptop, 'devices', () => laptop.reload())
      await laptop.getByRole('button', { name: 'Sign out everywhere else' }).click()
      await laptop.getByText('You are signed in nowhere else.').waitFor()
      assert.equal(await devices.count(), 1)
      await notice(phone).waitFor()
      assert.equal(await notice(tablet).count(), 0)
      await turn(tablet, 'visible')
      await notice(tablet).waitFor()
    }
  )

  await step('a user agent is shown as text and not as HTML', async () => {
    const userAgent = '<img src=x onerror=document.title=1>/1.0 (x)'
    await signIn(await openPage(browser, { userAgent }), url, 'Linus')
    await laptop.reload()
    await devices.getByText('<img src=x onerror=document.title=1>', { exact: true }).waitFor()
    assert.equal(await laptop.locator('main img').count(), 0)
    assert.match(await laptop.title(), /^Your devices/)
  })
}

/** A page in another context, which has its own cookies like another browser. */
async function openPage(browser: Browser, options?: BrowserContextOptions): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 }, ...options })
  context.setDefaultTimeout(PATIENCE)
  context.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('Failed to load resource')) {
      complaints.push(message.text())
    }
  })
  context.on('weberror', (error) => complaints.push(error.error().message))
  return context.newPage()
}

async function signIn(page: Page, url: string, name: string): Promise<void> {
  await page.goto(url)
  await page.getByLabel('Name').fill(name)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText(`Signed in as ${name}`).waitFor()
}

async function addNote(page: Page, text: string, tags: string): Promise<void> {
  await page.getByLabel('New note').fill(text)
  await page.getByLabel('Tags').fill(tags)
  await page.getByRole('button', { name: 'Add note' }).click()
  await page.locator('.notes').getByText(text, { exact: true }).waitFor()
}

async function inspects(page: Page, serializer: string): Promise<void> {
  await page.locator('#fields').getByText(serializer).waitFor()
}

/** Headless pages are always visible. */
async function turn(page: Page, state: 'hidden' | 'visible'): Promise<void> {
  await page.evaluate(
    `Object.defineProperty(document, 'hidden', { configurable: true, value: ${state === 'hidden'} })
     document.dispatchEvent(new Event('visibilitychange'))`
  )
}

/** @param load Brings the page there again, in another size and with other colours. */
async function isReadable(page: Page, name: string, load?: () => Promise<unknown>): Promise<void> {
  for (const [width, height] of [
    [1280, 1000],
    [820, 1000],
    [400, 800]
  ] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize({ width, height })
      await page.emulateMedia({ colorScheme })
      await load?.()
      await picture(page, `${name}-${colorScheme}-${width}`)
      const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
      assert.ok(overflow <= 0, `${overflow} pixels too wide at ${width}`)
    }
  }
  await page.setViewportSize({ width: 1280, height: 1000 })
  await page.emulateMedia({ colorScheme: 'light' })
}

async function picture(page: Page, name: string): Promise<void> {
  if (folder === undefined) {
    folder = process.env.SCREENSHOTS ?? mkdtempSync(join(tmpdir(), 'session-screenshots-'))
    mkdirSync(folder, { recursive: true })
    console.log(`# screenshots in ${folder}`)
  }
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, animations: 'disabled' })
}
