// Programs that a test starts: their output is kept, and none of them outlives the test.
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import http from 'node:http'
import https from 'node:https'

/** Every process of the product that runs now, also those that have ended, for the report of a failure. */
export const started = []

/** One program in a process group of its own. */
export class Process {
  constructor(name, program, args, { cwd, env, input } = {}) {
    this.name = name
    this.command = [program, ...args].join(' ')
    this.stdout = ''
    this.stderr = ''
    this.output = ''
    this.code = undefined
    // setpriv: the program ends with us even if we are killed.
    this.child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
      cwd,
      env: environment(env),
      detached: true,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    for (const stream of ['stdout', 'stderr']) {
      this.child[stream].setEncoding('utf8').on('data', (text) => {
        this[stream] += text
        this.output += text
      })
    }
    if (input !== undefined) this.child.stdin.on('error', () => {}).end(input)
    this.ended = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.output += `\n${program} cannot be started: ${error.message}\n`
        this.code = -1
        resolve(-1)
      })
      this.child.on('exit', (code, signal) => {
        this.code = code ?? signal
        // Whoever inherited the output may hold it open; what has come by now is enough.
        const late = setTimeout(() => resolve(this.code), 500)
        this.child.on('close', () => {
          clearTimeout(late)
          resolve(this.code)
        })
      })
    })
    started.push(this)
  }

  get isRunning() {
    return this.code === undefined
  }

  signal(signal) {
    if (!this.child.pid) return
    try {
      process.kill(-this.child.pid, signal)
    } catch {
      // The whole group has gone.
    }
  }

  /** Ends the whole process group: politely, and after `seconds` by force. */
  async stop(seconds = 10) {
    this.signal('SIGTERM')
    await within(seconds, this.ended).catch(() => {})
    this.signal('SIGKILL')
    await within(5, this.ended).catch(() => {})
  }

  /** Waits until the output, from `from` on, matches; gives the match. */
  async says(pattern, seconds = 30, from = 0) {
    return until(`${this.name} to write ${pattern}`, seconds, () => this.output.slice(from).match(pattern), this)
  }
}

/** Starts a program that goes on running. */
export function start(name, program, args = [], options = {}) {
  return new Process(name, program, args, options)
}

/** Runs a program to its end; gives its standard output. `mayFail: true` gives the process, whatever its status. */
export async function exec(name, program, args = [], { seconds = 60, mayFail = false, ...options } = {}) {
  const process = new Process(name, program, args, options)
  try {
    await within(seconds, process.ended, `${name} did not end within ${seconds}s`)
  } finally {
    await process.stop(1)
  }
  if (mayFail) return process
  if (process.code !== 0) {
    throw new Error(`${name} ended with ${process.code} (${process.command}):\n${process.output.slice(-4000)}`)
  }
  return process.stdout
}

/** The path of a program, or an error that says how to get it. */
export function requireProgram(program, install) {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    const candidate = path.join(folder, program)
    try {
      accessSync(candidate, constants.X_OK)
      return candidate
    } catch {
      // The next folder.
    }
  }
  throw new Error(`${program} is missing: ${install}`)
}

const given = new Set()

/** A port of 127.0.0.1 on which nothing listens, given to nobody else in this run. */
export async function freePort() {
  for (;;) {
    const port = await new Promise((resolve, reject) => {
      const server = createServer()
      server.on('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address()
        server.close(() => resolve(port))
      })
    })
    if (given.has(port)) continue
    given.add(port)
    return port
  }
}

/** One request, without following redirects and, with `insecure`, without checking the certificate. */
export function request(url, { method = 'GET', headers = {}, body, insecure = false, seconds = 10 } = {}) {
  return new Promise((resolve, reject) => {
    const client = String(url).startsWith('https:') ? https : http
    const options = { method, headers, rejectUnauthorized: !insecure, agent: false, timeout: seconds * 1000 }
    const sent = client.request(url, options, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part) => (text += part))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }))
    })
    sent.on('timeout', () => sent.destroy(new Error(`${url} does not answer within ${seconds}s`)))
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Waits until a URL answers with an accepted status (below 500 by default); fails at once where `process` ends. */
export async function waitForHttp(url, { process, seconds = 60, insecure = false, accept = (status) => status < 500 } = {}) {
  return until(
    `${url} to answer`,
    seconds,
    async () => {
      const answer = await request(url, { insecure, seconds: 5 })
      if (!accept(answer.status)) throw new Error(`status ${answer.status}: ${answer.text.slice(0, 300)}`)
      return answer
    },
    process,
  )
}

/** Asks again and again until something true comes; errors of the question count as "not yet". */
export async function until(what, seconds, ask, process) {
  const end = Date.now() + seconds * 1000
  let last
  for (;;) {
    try {
      const answer = await within(seconds, Promise.resolve(ask()))
      if (answer) return answer
    } catch (error) {
      last = error
    }
    const because = last ? `; the last error: ${last.message}` : ''
    if (process && !process.isRunning) {
      throw new Error(`${process.name} ended with ${process.code} while waiting for ${what}${because}`)
    }
    if (Date.now() > end) throw new Error(`waited ${seconds}s in vain for ${what}${because}`)
    await sleep(100)
  }
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** A promise with an end to the patience. */
export async function within(seconds, promise, message = `not done within ${seconds}s`) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), seconds * 1000)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Our environment without settings for a bridge, which whoever runs this may have. */
function environment(more = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('SGID_BRIDGE') && name !== 'RUST_LOG')
  const all = { ...Object.fromEntries(kept), ...more }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}
