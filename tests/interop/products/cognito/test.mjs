import { variant, random, Visitor } from '../../lib/hosted.mjs'
import { complaints, startUserPool } from './lookalike.mjs'

const SCOPE = 'openid profile email'
const DOMAIN = 'https://sgid-demo.auth.ap-southeast-1.amazoncognito.com'
const APP = 'https://app.sgid-bridge.test/callback'

export default {
  product: 'cognito',
  title: 'Amazon Cognito',
  version: 'a scripted look-alike',
  exercised: 'discovery, code flow without PKCE and nonce, client_secret_post, ID token, userinfo by GET and POST, attribute mapping; the refusals without each exemption',

  async install() {},

  async run(ctx) {
    const { check, recipe } = ctx
    const clients = recipe.block('sgid-bridge.toml')
    const bridge = await ctx.bridge({
      config: [
        clients,
        variant(clients, 'with-pkce', { require_pkce: undefined, require_nonce: undefined }),
        variant(clients, 'with-nonce', { require_nonce: undefined }),
        variant(clients, 'with-basic', { token_endpoint_auth_method: undefined }),
      ].join('\n'),
      secrets: { 'keys/cognito-secret': ctx.secret },
    })
    const provider = (issuer) => JSON.parse(recipe.block('sgid.json', { 'https://login.example.sg': issuer, 'THE-SECRET': ctx.secret }))
    check.equal(complaints(provider('https://login.sgid-bridge.test')), [], 'what Cognito has against the settings')

    /** Signs in once; gives what the app's callback URL is sent, and the claims of the user where there is a code. */
    const signIn = async ({ details = {}, sendsNonce, visitor } = {}) => {
      const settings = provider(bridge.issuer)
      Object.assign(settings.ProviderDetails, details)
      const pool = await startUserPool({ provider: settings, domain: DOMAIN, app: APP, sendsNonce })
      try {
        const person = visitor ?? new Visitor({})
        person.places = { [DOMAIN]: pool.address }
        // As long as the states of apps with much to remember become.
        const state = random(750)
        const asked = new URLSearchParams({ identity_provider: 'sgID', response_type: 'code', client_id: 'the-app', redirect_uri: APP, state })
        const { url, status, text } = await person.open(`${DOMAIN}/oauth2/authorize?${asked}`)
        check.that(url.href.startsWith(`${APP}?`), `the app is reached, not ${status} at ${url}: ${text}`)
        const given = Object.fromEntries(url.searchParams)
        check.equal(given.state, state, "the app's state")
        return { given, user: given.code && pool.redeem(given.code) }
      } finally {
        await pool.close()
      }
    }
    const signedIn = async (how) => {
      const { given, user } = await signIn(how)
      check.that(user, `a sign-in gives a code, not ${JSON.stringify(given)}`)
      return user
    }

    const visitor = new Visitor({})
    const user = await signedIn({ visitor })
    const claims = ctx.claims(SCOPE)
    const sub = check.sub(user.identities[0].userId)
    check.equal(user['cognito:username'], `sgID_${sub}`, 'the user name')
    check.equal(user.name, claims.name, 'name')
    check.equal(user.gender, claims.gender, 'gender')
    check.equal(user.email, claims.email, 'email')
    check.equal(user.email_verified, 'false', 'email_verified')
    check.equal(user['custom:birthdate'], claims.birthdate, 'custom:birthdate')
    const asked = new URL(visitor.trail.find((it) => it.includes('/authorize?') && it.includes(bridge.issuer)).slice(4)).searchParams
    check.equal([...asked.keys()], ['client_id', 'redirect_uri', 'scope', 'response_type', 'state'], 'what Cognito sends')

    check.equal((await signedIn())['cognito:username'], `sgID_${sub}`, 'the user name at the second sign-in')
    check.equal((await signedIn({ sendsNonce: true }))['cognito:username'], `sgID_${sub}`, 'the user name where a nonce is sent')
    const post = await signedIn({ details: { attributes_request_method: 'POST' } })
    check.equal(post.name, claims.name, 'name, where userinfo is asked by POST')

    const refusal = async (how) => {
      const { given } = await signIn(how)
      check.equal(given.error, 'invalid_request', 'the error at the app')
      return given.error_description
    }
    const withPkce = await refusal({ details: { client_id: 'with-pkce' } })
    check.includes(withPkce, 'code_challenge is missing', 'the refusal while PKCE is required')
    check.includes(withPkce, 'require_pkce = false', 'how to mend it')
    const withNonce = await refusal({ details: { client_id: 'with-nonce' } })
    check.includes(withNonce, 'nonce is required from a client that uses no PKCE', 'the refusal while a nonce is required')
    const sends = await signedIn({ details: { client_id: 'with-nonce' }, sendsNonce: true })
    check.equal(sends['cognito:username'], `sgID_${sub}`, 'a user pool that sends a nonce needs no require_nonce = false')
    const withBasic = await refusal({ details: { client_id: 'with-basic' } })
    check.equal(withBasic, 'sgID Error - 401 invalid_client', 'the refusal of client_secret_post while client_secret_basic is registered')
  },
}
