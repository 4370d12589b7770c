// The pages: sign in, notes with the inspector beside them, devices, and what people see when something fails.
import type { SessionInfo } from 'fastify-ioredis-session'
import type { Note } from './app.js'
import { type Html, html } from './html.js'

export function signInPage(problem = ''): string {
  return page(
    'Sign in',
    html`<main class="card narrow">
      <h1>Sign in</h1>
      <p class="quiet">Any name will do: this example has no passwords.</p>
      ${problem === '' ? '' : html`<p class="problem" role="alert">${problem}</p>`}
      <form method="post" action="/sign-in" class="stack">
        <label class="stack">Name
          <input name="name" required maxlength="40" autocomplete="username" autofocus>
        </label>
        <label class="check"><input type="checkbox" name="keep" value="yes"> Keep me signed in for 31 days</label>
        <button class="primary">Sign in</button>
      </form>
      <p class="quiet">The store holds nothing for you yet, and you have no session cookie. Both are created with the
      first value in your session.</p>
    </main>`
  )
}

/** @param storeName Where the sessions are, in words for the page. */
export function notesPage(name: string, notes: readonly Note[], storeName: string): string {
  return signedInPage(
    'Notes',
    name,
    html`<main class="columns">
      <section class="card" aria-labelledby="notes">
        <h1 id="notes">Notes</h1>
        <form method="post" action="/notes" class="stack">
          <label class="stack">New note
            <textarea id="text" name="text" required maxlength="500" rows="2"></textarea>
          </label>
          <label class="stack">Tags
            <input name="tags" maxlength="100" placeholder="home, urgent" autocomplete="off">
          </label>
          <button class="primary">Add note</button>
        </form>
        ${notes.length === 0 ? html`<p class="quiet">No notes yet.</p>` : ''}
        <ol class="items notes">${notes.map(noteItem)}</ol>
        <p class="quiet">Your notes are stored in your session: signing out deletes them.</p>
      </section>
      ${inspector(storeName)}
    </main>
    <script type="module" src="/inspector.js"></script>`
  )
}

function noteItem({ text, writtenAt, tags }: Note, index: number): Html {
  // JSON decodes a Set as an empty object.
  const tagList =
    tags instanceof Set
      ? html`${[...tags].map((tag) => html`<span class="tag">${tag}</span>`)}`
      : html`<span class="quiet">JSON lost the tags: it cannot represent a Set.</span>`
  return html`<li>
    <p>${text}</p>
    <footer>
      ${timeOf(writtenAt)}
      ${tagList}
      <form method="post" action="/notes/${index}/delete">
        <button class="link" aria-label="Delete this note: ${text.slice(0, 40)}">Delete</button>
      </form>
    </footer>
  </li>`
}

/** @param current The handle of the session that asks. */
export function devicesPage(name: string, devices: readonly SessionInfo[], current: string): string {
  const items = (isCurrent: boolean) =>
    devices.filter(({ id }) => (id === current) === isCurrent).map((device) => deviceItem(device, isCurrent))
  return signedInPage(
    'Your devices',
    name,
    html`<main class="card medium">
      <h1 id="devices">Your devices</h1>
      <p class="quiet">This example has no passwords: anyone who signs in as ${name} is in this list.</p>
      <ul class="items">${items(true)}${items(false)}</ul>
      ${
        devices.length > 1
          ? html`<form method="post" action="/devices/sign-out-others"><button>Sign out everywhere else</button></form>`
          : html`<p class="quiet">You are signed in nowhere else.</p>`
      }
    </main>`
  )
}

function deviceItem(info: SessionInfo, isCurrent: boolean): Html {
  return html`<li>
    <p><strong>${nameOf(info)}</strong> ${isCurrent ? html`<span class="tag">this browser</span>` : ''}</p>
    <footer>
      <span class="quiet">Last used ${timeOf(info.lastUsedAt)}</span>
      <span class="quiet">Signed in ${timeOf(info.createdAt)}</span>
      ${isCurrent ? '' : signOutButton(info)}
    </footer>
  </li>`
}

function signOutButton(info: SessionInfo): Html {
  const label = `Sign out ${nameOf(info)}, last used ${minuteOf(info.lastUsedAt)}`
  return html`<form method="post" action="/devices/${info.id}/sign-out">
    <button class="link" aria-label="${label}">Sign out</button>
  </form>`
}

// Data that cannot be decoded is empty, and earlier versions of this example kept no device.
function nameOf({ data }: SessionInfo): string {
  return data.account?.device || 'Unknown browser'
}

/** @param instant JSON decodes a Date as a string. */
function timeOf(instant: Date | string | number): Html {
  return html`<time datetime="${new Date(instant).toISOString()}">${minuteOf(instant)}</time>`
}

function minuteOf(instant: Date | string | number): string {
  return `${new Date(instant).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

// inspector.js fills this every second.
function inspector(storeName: string): Html {
  return html`<section class="card" id="inspector" aria-labelledby="holds">
  <h2 id="holds"><span class="pulse" aria-hidden="true"></span>What ${storeName} holds for this session</h2>
  <p class="quiet">Refreshed every second. This does not keep the session alive: the route is configured with
  <code>touch: false</code>, so the idle time runs down until you do something.</p>
  <noscript><p class="problem">The live view needs JavaScript; the notes do not.</p></noscript>
  <p id="status" role="status"></p>
  <div id="live" hidden>
    <h3>Key</h3>
    <p class="key"><code id="key"></code></p>
    <p class="quiet">A hash of the secret in your cookie. Anyone who can read the store cannot sign in with it.</p>
    <div class="tiles">
      <div><h3>Idle time left</h3><p class="clock" id="idle"></p><div class="bar" id="idle-bar"><i></i></div></div>
      <div><h3>Absolute time left</h3><p class="clock" id="absolute"></p><div class="bar" id="absolute-bar"><i></i></div></div>
    </div>
    <h3>Payload in each serializer</h3>
    <ul class="sizes" id="sizes"></ul>
    <h3>Header</h3>
    <dl class="fields" id="fields"></dl>
    <h3>Record <span class="quiet" id="length"></span></h3>
    <pre class="dump" id="dump" tabindex="0" role="region" aria-label="The record, in hex and as text"></pre>
    <h3>What a route sees</h3>
    <pre class="code" id="data" tabindex="0" role="region" aria-label="The data of the session"></pre>
  </div>
</section>`
}

/** @param retry Whether the page may reload itself. It must not, if that would send a form twice. */
export function errorPage(status: number, retry: boolean): string {
  const isAway = status === 503
  return page(
    isAway ? 'Back soon' : 'That did not work',
    html`<main class="card narrow">
      <h1>${isAway ? 'Your session is out of reach' : 'That did not work'}</h1>
      ${
        isAway
          ? html`<p>The session store does not answer, so we cannot tell who you are. ${
              retry
                ? 'This page tries again automatically.'
                : 'When it is back, check whether your change was saved.'
            }</p>`
          : html`<p>Nothing was changed.</p>`
      }
      <p><a class="button" href="/">Try again</a></p>
      <p class="quiet">Status ${status}</p>
    </main>`,
    '',
    isAway && retry ? html`<meta http-equiv="refresh" content="3">` : ''
  )
}

// ended.js shows the template when the session has ended.
function signedInPage(title: 'Notes' | 'Your devices', name: string, content: Html): string {
  const link = (path: string, text: string) =>
    html`<a href="${path}"${text === title ? html` aria-current="page"` : ''}>${text}</a>`
  return page(
    title,
    html`${content}
    <template id="ended">
      <main class="card narrow">
        <div role="alert">
          <h1>You are signed out</h1>
          <p id="why">Your session has expired, or you signed out in another tab.</p>
        </div>
        <p><a class="button" id="again" href="/">Sign in again</a></p>
      </main>
    </template>
    <script type="module" src="/ended.js"></script>`,
    html`<nav>${link('/', 'Notes')}${link('/devices', 'Your devices')}</nav>
    <span class="who">Signed in as <strong>${name}</strong></span>
    <form method="post" action="/sign-out"><button>Sign out</button></form>`
  )
}

function page(title: string, content: Html, aside: Html | '' = '', head: Html | '' = ''): string {
  return html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  ${head}
  <title>${title} · Notes example</title>
  <link rel="icon" href="/icon.svg">
  <link rel="stylesheet" href="/style.css">
</head>
<body>
  <header>
    <a class="home" href="/"><img src="/icon.svg" alt="" width="24" height="24"> fastify-ioredis-session</a>
    ${aside}
  </header>
  ${content}
</body>
</html>
`.text
}
