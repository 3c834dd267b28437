// MockPass, the stand-in for sgID, and what is known of its persona without the bridge's help.
import { readFileSync } from 'node:fs'
import { inRepository, requireFile } from './places.mjs'
import { freePort, start, waitForHttp } from './process.mjs'

export const NRIC = 'S9812379B'

/** Starts MockPass on loopback; it answers every login at once as the persona. */
export async function startMockPass(publicKeyFile) {
  mockPassPackage()
  const port = await freePort()
  // Its own start script listens on every interface.
  const listen = `require('@opengovsg/mockpass/app.js').app.listen(${port}, '127.0.0.1')`
  const process = start('MockPass', 'node', ['-e', listen], {
    cwd: inRepository('tests/mockpass'),
    env: { SERVICE_PROVIDER_PUB_KEY: publicKeyFile, MOCKPASS_NRIC: NRIC, SHOW_LOGIN_PAGE: 'false' },
  })
  await waitForHttp(`http://127.0.0.1:${port}/v2/.well-known/jwks.json`, { process, accept: (status) => status === 200 })
  return {
    process,
    port,
    issuer: `http://localhost:${port}/v2`,
    authorizationEndpoint: `http://127.0.0.1:${port}/v2/oauth/authorize`,
  }
}

/** The claims that the persona has at a client with these scopes, told from MockPass's record of the person. */
export function expectedClaims(scope) {
  const fields = expectedFields()
  const claims = {}
  const put = (claim, value) => {
    if (value !== undefined) claims[claim] = value
  }
  for (const each of scope.split(' ')) {
    switch (each) {
      case 'openid':
      case 'offline_access':
        break
      case 'profile':
        put('name', fields['myinfo.name'])
        put('birthdate', fields['myinfo.date_of_birth'])
        put('gender', fields['myinfo.sex']?.toLowerCase())
        break
      case 'email':
        put('email', fields['myinfo.email'])
        put('email_verified', fields['myinfo.email'] && false)
        break
      default:
        if (!each.startsWith('myinfo.')) throw new Error(`tests/interop/lib/mockpass.mjs does not know the scope ${each}`)
        put(each, fields[each])
    }
  }
  return claims
}

function expectedFields() {
  const file = `${mockPassPackage()}/static/myinfo/v3.json`
  const persona = JSON.parse(readFileSync(file, 'utf8')).personas[NRIC]
  if (!persona) throw new Error(`${NRIC} is no persona of MockPass`)
  const fields = {
    'myinfo.nric_number': NRIC,
    'myinfo.name': persona.name?.value,
    'myinfo.date_of_birth': persona.dob?.value,
    'myinfo.sex': persona.sex?.desc,
    'myinfo.nationality': persona.nationality?.desc,
    'myinfo.email': persona.email?.value,
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value?.trim()))
}

function mockPassPackage() {
  return requireFile(inRepository('tests/mockpass/node_modules/@opengovsg/mockpass'), 'npm ci --prefix tests/mockpass')
}
