// Checks, counted, so that no test passes without having checked anything.
import { isDeepStrictEqual } from 'node:util'
import { expectedClaims } from './mockpass.mjs'

const PROTOCOL = ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'auth_time', 'nonce', 'at_hash', 'c_hash', 'acr', 'amr', 'azp', 'jti', 'sid']

export class Check {
  count = 0

  /** Fails unless the condition holds. `what` is a sentence about what should be so. */
  that(condition, what) {
    this.count += 1
    if (!condition) throw new Error(`not so: ${what}`)
  }

  equal(actual, expected, what) {
    this.count += 1
    if (!isDeepStrictEqual(actual, expected)) {
      throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`)
    }
  }

  includes(text, part, what) {
    this.count += 1
    if (!String(text).includes(part)) throw new Error(`${what}: expected ${JSON.stringify(part)} in ${JSON.stringify(String(text).slice(0, 2000))}`)
  }

  match(text, pattern, what) {
    this.count += 1
    if (!pattern.test(String(text))) throw new Error(`${what}: expected ${pattern} in ${JSON.stringify(String(text).slice(0, 2000))}`)
  }

  /** A subject identifier of the bridge; given back. */
  sub(sub, what = 'sub') {
    this.match(sub, /^[A-Za-z0-9_-]{43}$/, what)
    return sub
  }

  /**
   * The claims of an ID token or of userinfo are the persona's for this scope, no more and no less, with a `sub`.
   * For products that store claims in a shape of their own, compare with ctx.claims(scope) instead.
   */
  claims(given, scope, what = 'claims') {
    this.that(given && typeof given === 'object', `${what} are an object, not ${JSON.stringify(given)}`)
    this.sub(given.sub, `sub in the ${what}`)
    const personal = Object.fromEntries(Object.entries(given).filter(([name]) => !PROTOCOL.includes(name)))
    const expected = expectedClaims(scope)
    for (const name of new Set([...Object.keys(expected), ...Object.keys(personal)])) {
      this.equal(personal[name], expected[name], `${name} in the ${what}`)
    }
  }

  /** Something that must be refused: gives the error, which should match. */
  async refused(what, attempt, pattern = /./) {
    this.count += 1
    let result
    try {
      result = await attempt()
    } catch (error) {
      if (!pattern.test(error.message)) throw new Error(`${what}: refused, but not with ${pattern}: ${error.message}`, { cause: error })
      return error
    }
    throw new Error(`${what}: should have been refused, but gave ${JSON.stringify(result)}`)
  }
}
