import { verify } from 'node:crypto'
import { variant, Visitor } from '../../lib/hosted.mjs'
import { complaints, startLoadBalancer } from './lookalike.mjs'

const SCOPE = 'openid profile email'
const APP = 'https://app.sgid-bridge.test'

export default {
  product: 'aws-alb',
  title: 'AWS Application Load Balancer',
  version: 'a scripted look-alike',
  exercised: 'endpoints typed in, code flow without PKCE and nonce, client_secret_basic and client_secret_post, ID token, userinfo by GET and POST, claims in x-amzn-oidc-data; the refusals without each exemption',

  async install() {},

  async run(ctx) {
    const { check, recipe } = ctx
    const clients = recipe.block('sgid-bridge.toml', { 'https://app.example.sg': APP })
    const bridge = await ctx.bridge({
      config: [
        clients,
        variant(clients, 'with-pkce', { require_pkce: undefined, require_nonce: undefined }),
        variant(clients, 'with-nonce', { require_nonce: undefined }),
        variant(clients, 'with-post', { require_nonce: 'false\ntoken_endpoint_auth_method = "client_secret_post"' }),
      ].join('\n'),
      secrets: { 'keys/aws-alb-secret': ctx.secret },
    })
    const actions = (issuer) => JSON.parse(recipe.block('actions.json', { 'https://login.example.sg': issuer, 'THE-SECRET': ctx.secret }))
    const [authenticate, forward] = actions('https://login.sgid-bridge.test')
    check.equal(complaints(authenticate), [], 'what the load balancer has against the settings')
    check.equal(forward.Type, 'forward', 'the second action')

    /** Opens a page of the app; gives where that led, and what the app was told. */
    const open = async ({ config = {}, visitor = new Visitor({}), ...how } = {}) => {
      let balancer
      const app = (headers) => {
        const [head, claims, signature] = headers['x-amzn-oidc-data'].split('.')
        const json = (text) => JSON.parse(Buffer.from(text, 'base64url'))
        const key = { key: balancer.publicKey(json(head).kid), dsaEncoding: 'ieee-p1363' }
        const isSigned = verify('sha256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url'))
        return { json: { isSigned, path: headers.path, identity: headers['x-amzn-oidc-identity'], claims: json(claims) } }
      }
      const settings = { ...actions(bridge.issuer)[0].AuthenticateOidcConfig, ...config }
      balancer = await startLoadBalancer({ config: settings, origin: APP, app, ...how })
      try {
        visitor.places = { [APP]: balancer.address }
        const first = await visitor.open(`${APP}/reports?year=2026`)
        const again = await visitor.open(`${APP}/other`)
        return { ...first, again, visitor }
      } finally {
        await balancer.close()
      }
    }
    const signedIn = async (how) => {
      const { status, text, url, again, visitor } = await open(how)
      check.equal(status, 200, `the page ${url} (${text})`)
      check.equal(url.href, `${APP}/reports?year=2026`, 'the page that was asked for at first')
      const told = JSON.parse(text)
      check.that(told.isSigned, 'the app can verify what it is told')
      check.claims(told.claims, SCOPE, 'x-amzn-oidc-data')
      check.equal(told.identity, told.claims.sub, 'x-amzn-oidc-identity')
      check.equal(JSON.parse(again.text).identity, told.identity, 'who opens the next page')
      check.equal(visitor.trail.filter((it) => it.includes('/authorize?')).length, 2, 'redirects to the bridge and to sgID, for two pages')
      return { sub: told.identity, visitor }
    }

    const { sub, visitor } = await signedIn()
    const asked = new URL(visitor.trail.find((it) => it.includes(`${bridge.issuer}/authorize?`)).slice(4)).searchParams
    check.equal([...asked.keys()], ['client_id', 'redirect_uri', 'response_type', 'scope', 'state'], 'what the load balancer sends')
    check.equal((await signedIn()).sub, sub, 'sub at the second sign-in')
    check.equal((await signedIn({ userinfoMethod: 'POST' })).sub, sub, 'sub where userinfo is asked by POST')
    check.equal((await signedIn({ clientAuth: 'client_secret_post', config: { ClientId: 'with-post' } })).sub, sub, 'sub where the secret is in the form')
    const noSession = await open({ config: { OnUnauthenticatedRequest: 'deny' } })
    check.equal(noSession.status, 401, 'the status without a session where OnUnauthenticatedRequest is deny')

    const refusal = async (how) => {
      const { status, text } = await open(how)
      check.equal(status, 561, `the status of a sign-in that is refused (${text})`)
      return text
    }
    const withPkce = await refusal({ config: { ClientId: 'with-pkce' } })
    check.includes(withPkce, 'invalid_request: code_challenge is missing', 'the refusal while PKCE is required')
    check.includes(withPkce, 'require_pkce = false', 'how to mend it')
    const withNonce = await refusal({ config: { ClientId: 'with-nonce' } })
    check.includes(withNonce, 'nonce is required from a client that uses no PKCE', 'the refusal while a nonce is required')
    const post = await refusal({ clientAuth: 'client_secret_post' })
    check.includes(post, 'invalid_client', 'the refusal of client_secret_post while client_secret_basic is registered')
    const badIssuer = await refusal({ config: { Issuer: `${bridge.issuer}/` } })
    check.includes(badIssuer, 'ID token: iss is', 'the refusal of an issuer with a slash')
  },
}
