import { ini, variant, Visitor } from '../../lib/hosted.mjs'
import { complaints, fromPolicy, fromPortal, startTenant } from './lookalike.mjs'

const SCOPE = 'openid profile email'
const DOMAIN = 'https://sgiddemo.b2clogin.com'

export default {
  product: 'azure-ad-b2c',
  title: 'Azure AD B2C',
  version: 'a scripted look-alike',
  exercised: 'discovery, code flow with nonce and without PKCE, form_post (also in Chromium) and query, client_secret_post and client_secret_basic, ID token, user flow and custom policy; the refusals of what is not registered',

  async install() {},

  async run(ctx) {
    const { check, recipe } = ctx
    const clients = recipe.block('sgid-bridge.toml')
    const bridge = await ctx.bridge({
      config: [
        clients,
        variant(clients, 'with-pkce', { require_pkce: undefined }),
        variant(clients, 'with-basic', { token_endpoint_auth_method: undefined }),
        variant(clients, 'only-query', { response_modes: undefined }),
      ].join('\n'),
      secrets: { 'keys/azure-ad-b2c-secret': ctx.secret },
    })
    const portal = (issuer) => fromPortal(ini(recipe.block('azure-ad-b2c.ini', { 'https://login.example.sg': issuer, 'THE-SECRET': ctx.secret })))
    const policy = (issuer) => fromPolicy(recipe.block('TrustFrameworkExtensions.xml', { 'https://login.example.sg': issuer }), ctx.secret)
    for (const settings of [portal, policy]) check.equal(complaints(settings('https://login.sgid-bridge.test')), [], `what B2C has against the settings for the ${settings.name}`)
    check.equal([portal('x').responseMode, policy('x').responseMode], ['form_post', 'form_post'], 'the response modes of the recipe')

    /** Signs in once; gives B2C's last page. */
    const signIn = async ({ settings = portal, change = {}, visitor = new Visitor({}) } = {}) => {
      const tenant = await startTenant({ settings: { ...settings(bridge.issuer), ...change }, domain: DOMAIN, tenant: 'sgiddemo' })
      try {
        visitor.places = { [DOMAIN]: tenant.address }
        return await visitor.open(tenant.signIn)
      } finally {
        await tenant.close()
      }
    }
    const claims = ctx.claims(SCOPE)
    const mustBeThePerson = (user) => {
      check.sub(user.issuerUserId, 'issuerUserId')
      check.equal(user.displayName, claims.name, 'displayName')
      check.equal(user.email, claims.email, 'email')
      check.equal(user.identityProvider, bridge.issuer, 'identityProvider')
      return user.issuerUserId
    }
    const signedIn = async (how) => {
      const { status, text } = await signIn(how)
      check.equal(status, 200, `the status of a sign-in (${text})`)
      return mustBeThePerson(JSON.parse(text))
    }

    const visitor = new Visitor({})
    const sub = await signedIn({ visitor })
    check.that(visitor.trail.at(-1).startsWith(`POST ${DOMAIN}/sgiddemo.onmicrosoft.com/oauth2/authresp`), 'the answer is posted')
    check.that(!visitor.trail.some((it) => it.includes('authresp?')), 'nothing of the answer is in an address')
    check.equal(await signedIn({ settings: policy }), sub, 'the user of a custom policy')
    check.equal(await signedIn({ change: { responseMode: 'query' } }), sub, 'the user where the answer is in the query')
    check.equal(await signedIn({ settings: policy, change: { clientId: 'with-basic', clientAuth: 'client_secret_basic' } }), sub, 'the user with client_secret_basic')
    check.equal(await inChromium(), sub, 'the user in Chromium')

    const refusal = async (how) => {
      const { status, text } = await signIn(how)
      check.equal(status, 400, `the status of a sign-in that is refused (${text})`)
      return text
    }
    const withPkce = await refusal({ change: { clientId: 'with-pkce' } })
    check.includes(withPkce, 'code_challenge is missing', 'the refusal while PKCE is required')
    check.includes(withPkce, 'require_pkce = false', 'how to mend it')
    check.includes(await refusal({ change: { clientId: 'with-basic' } }), 'invalid_client', 'the refusal of client_secret_post while client_secret_basic is registered')
    check.includes(await refusal({ change: { responseType: 'id_token' } }), 'response_type must be code', 'the refusal of the implicit flow')
    // The refusal of form_post itself cannot be posted: it comes in the query, which B2C does not take.
    const onlyQuery = new Visitor({})
    const refused = await signIn({ change: { clientId: 'only-query' }, visitor: onlyQuery })
    check.equal(refused.status, 400, 'the status where form_post is not registered')
    check.includes(new URL(onlyQuery.trail.at(-1).slice(4)).searchParams.get('error_description'), 'response_mode', 'the refusal of form_post')

    /** The bridge's page must post its form in a real browser, with the scripts and the policy that it has. */
    async function inChromium() {
      const tenant = await startTenant({ settings: portal(bridge.issuer), domain: DOMAIN, tenant: 'sgiddemo' })
      try {
        const browser = await ctx.browser()
        await browser.page.setRequestInterception(true)
        browser.page.on('request', (request) => {
          const url = new URL(request.url())
          if (url.origin !== DOMAIN) return request.continue()
          const [method, body] = [request.method(), request.postData()]
          const headers = { ...request.headers(), host: url.host, 'content-length': String(Buffer.byteLength(body ?? '')) }
          ctx.request(`${tenant.address}${url.pathname}${url.search}`, { method, body, headers }).then(
            (answer) => request.respond({ status: answer.status, headers: answer.headers, body: answer.text }),
            () => request.abort(),
          )
        })
        await browser.open(tenant.signIn)
        await browser.reaches(`${DOMAIN}/sgiddemo.onmicrosoft.com/oauth2/authresp`)
        const user = mustBeThePerson(await browser.json())
        check.equal(browser.url, `${DOMAIN}/sgiddemo.onmicrosoft.com/oauth2/authresp`, 'where the browser is')
        return user
      } finally {
        await tenant.close()
      }
    }
  },
}
