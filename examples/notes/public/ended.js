// Replaces the page if its session has ended elsewhere.
const RETRY = 1_000

let stream
export let isOver = false

/** @param why In words; may be empty. */
export function showEnd(why) {
  if (isOver) return
  isOver = true
  stream?.close()
  document.title = 'Signed out'
  document.body.replaceChildren(document.getElementById('ended').content)
  if (why !== '') document.getElementById('why').textContent = why
  document.getElementById('again').focus()
}

// Only while the page is visible: browsers allow about six connections to one server.
function listen() {
  stream?.close()
  if (isOver || document.hidden) return
  stream = new EventSource('/ended')
  stream.addEventListener('ended', ({ data }) => showEnd(data))
  stream.addEventListener('error', ({ target }) => {
    // After an answer such as 503 the browser does not try again.
    if (target.readyState === EventSource.CLOSED) setTimeout(listen, RETRY)
  })
}

document.addEventListener('visibilitychange', listen)
listen()
