// The page has two faces: the counter where one orders, and the one where one is served. Who is logged in, the server knows.

const $ = (selector) => document.querySelector(selector)

const PROBLEMS = {
  declined: 'You did not agree to the login. Your ice cream is still here, if you change your mind.',
  stale: 'That login does not belong to this browser, or took too long. Please try again.',
  failed: 'The login did not work. Please try again in a moment.',
}

/** Asks the server. `null` means that nobody is logged in. */
async function ask(path, options) {
  const answer = await fetch(path, options)
  if (answer.status === 401) return null
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`)
  return answer.status === 204 ? undefined : answer.json()
}

/** Shows one face, and moves the reader's place to its heading where a face takes the place of another. */
function show(face, { moveFocus = false } = {}) {
  for (const section of document.querySelectorAll('main section')) section.hidden = section.id !== face
  $('main').setAttribute('aria-busy', 'false')
  if (moveFocus) $(`#${face} h1`).focus()
}

function complain(problem) {
  // Shown first: screen readers speak what changes in an alert that is there.
  $('.problem').hidden = false
  $('.problem').textContent = PROBLEMS[problem] ?? PROBLEMS.failed
}

function serve(person) {
  // A person may have shared no name.
  $('#name').textContent = person.name ?? 'friend'
  $('#ice-cream').textContent = person.iceCream
  $('#sub').textContent = person.sub
  document.body.dataset.flavour = person.iceCream
}

function flavour() {
  return $('input[name=icecream]:checked').value
}

function waiting(button, isWaiting) {
  button.disabled = isWaiting
  button.setAttribute('aria-busy', String(isWaiting))
}

async function login(event) {
  event.preventDefault()
  waiting($('#login'), true)
  $('.problem').hidden = true
  try {
    const { url } = await ask(`/api/auth-url?${new URLSearchParams({ icecream: flavour() })}`)
    location.assign(url)
  } catch {
    waiting($('#login'), false)
    complain('failed')
  }
}

async function logout() {
  waiting($('#logout'), true)
  try {
    const there = await ask('/api/logout', { method: 'POST' })
    if (there) return location.assign(there.url) // to the bridge, which leads back here
    document.body.dataset.flavour = flavour()
    show('welcome', { moveFocus: true })
  } catch {
    complain('failed')
  }
  waiting($('#logout'), false)
}

async function start() {
  const problem = new URLSearchParams(location.search).get('problem')
  if (problem) {
    complain(problem)
    history.replaceState(null, '', '/') // so that a reload does not complain again
  }
  let person = null
  try {
    person = await ask('/api/userinfo')
  } catch {
    complain('failed')
  }
  if (person) serve(person)
  else document.body.dataset.flavour = flavour()
  show(person ? 'served' : 'welcome')
}

$('form').addEventListener('submit', login)
$('form').addEventListener('change', () => (document.body.dataset.flavour = flavour()))
$('#logout').addEventListener('click', logout)
// Whoever comes back with the browser's button finds the page as it was left: ask anew.
addEventListener('pageshow', (event) => {
  if (!event.persisted) return
  waiting($('#login'), false)
  waiting($('#logout'), false)
  start()
})
start()
