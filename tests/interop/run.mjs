// Runs the interop matrix: real relying parties log in through the bridge in front of MockPass. See README.md.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { bridgeProgram } from './lib/bridge.mjs'
import { Context } from './lib/context.mjs'
import { inRepository, products, recipes } from './lib/places.mjs'
import { within } from './lib/process.mjs'

const USAGE = `node tests/interop/run.mjs [PRODUCT ...]         run these, or all
node tests/interop/run.mjs --list                 the names of the products
node tests/interop/run.mjs --table                what is exercised, as a Markdown table
node tests/interop/run.mjs --write-table FILE...  put the table between the marks in Markdown files
node tests/interop/run.mjs --check-table FILE...  fail unless it is there
node tests/interop/run.mjs --needs [PRODUCT ...]  what the products need of Debian: PACKAGE and what proves it`

const INSTALL_MINUTES = 20
const RUN_MINUTES = 5

const MARKS = ['<!-- interop:begin -->', '<!-- interop:end -->']

let running

async function main([option, ...names]) {
  if (Number(process.versions.node.split('.')[0]) < 20) throw new Wrong(`Node.js 20 or later is needed, this is ${process.version}`)
  switch (option) {
    case '--list':
      return console.log(known().join('\n'))
    case '--table':
      return console.log(await table(inRepository()))
    case '--write-table':
    case '--check-table':
      if (!names.length) throw new Wrong(USAGE)
      for (const file of names) await putTable(file, option === '--check-table')
      return
    case '--needs':
      for (const product of await load(chosen(names))) {
        for (const [proof, aptPackage] of Object.entries(product.aptPackages ?? {})) console.log(aptPackage, proof)
      }
      return
    default:
      if (option?.startsWith('-')) throw new Wrong(USAGE)
      return runAll(chosen(option === undefined ? [] : [option, ...names]))
  }
}

/** A mistake of whoever called, told without a stack. */
class Wrong extends Error {}

function known() {
  return readdirSync(products).filter((name) => existsSync(path.join(products, name, 'test.mjs'))).sort()
}

function chosen(names) {
  const all = known()
  const unknown = names.filter((name) => !all.includes(name))
  if (unknown.length) throw new Wrong(`unknown product: ${unknown.join(', ')}\nknown are: ${all.join(', ')}`)
  if (!all.length) throw new Wrong('there are no products')
  return names.length ? names : all
}

async function load(names) {
  return Promise.all(
    names.map(async (name) => {
      const { default: product } = await import(pathToFileURL(path.join(products, name, 'test.mjs')))
      for (const field of ['product', 'title', 'version', 'exercised']) {
        if (typeof product?.[field] !== 'string' || !product[field] || /[\n|]/.test(product[field])) {
          throw new Error(`products/${name}/test.mjs must export ${field}, one line of text without a bar`)
        }
      }
      for (const field of ['install', 'run']) {
        if (typeof product[field] !== 'function') throw new Error(`products/${name}/test.mjs must export ${field}(ctx)`)
      }
      if (product.product !== name) throw new Error(`products/${name}/test.mjs says that it is ${product.product}`)
      return product
    }),
  )
}

async function runAll(names) {
  bridgeProgram()
  const failed = []
  for (const name of names) {
    const start = Date.now()
    const spent = () => `${((Date.now() - start) / 1000).toFixed(1)}s`
    try {
      const [product] = await load([name])
      const checks = await runOne(product)
      console.log(`ok      ${product.title} ${product.version}: ${product.exercised} (${checks} checks, ${spent()})`)
    } catch (error) {
      failed.push(name)
      console.log(`${error.report ?? ''}\n${error.stack ?? error}\nFAILED  ${name} (${spent()})`)
    }
  }
  console.log(`${names.length - failed.length} passed, ${failed.length} failed`)
  if (failed.length) {
    console.log(`again: scripts/interop ${failed.join(' ')}`)
    process.exitCode = 1
  }
}

async function runOne(product) {
  const ctx = new Context(product.product)
  running = ctx
  try {
    ctx.recipe.mustBeInShape(product)
    await limited('install', product.installMinutes ?? INSTALL_MINUTES, product.install(ctx))
    await limited('run', product.runMinutes ?? RUN_MINUTES, ctx.begin().then(() => product.run(ctx)))
    ctx.recipe.mustBeRead()
    if (!ctx.check.count) throw new Error(`the test of ${product.product} checked nothing`)
    return ctx.check.count
  } catch (error) {
    const failure = error instanceof Error ? error : new Error(String(error))
    failure.report = await ctx.report().catch((error) => `no report: ${error.stack}`)
    throw failure
  } finally {
    await ctx.end()
    running = undefined
  }
}

function limited(what, minutes, work) {
  return within(minutes * 60, work, `${what} took longer than ${minutes} minutes`)
}

/** Links in the table go from a Markdown file in `folder` to the recipes. */
async function table(folder) {
  const sorted = (await load(known())).sort((a, b) => a.title.localeCompare(b.title, 'en'))
  const rows = sorted.map((it) => {
    const recipe = path.relative(folder, path.join(recipes, `${it.product}.md`))
    return `| [${it.title}](${recipe}) | ${it.version} | ${it.exercised} |`
  })
  return ['| product | version | exercised |', '| --- | --- | --- |', ...rows].join('\n')
}

async function putTable(file, onlyCheck) {
  const [before, after] = MARKS
  const text = readFileSync(file, 'utf8')
  const [start, end] = [text.indexOf(before), text.indexOf(after)]
  if (start < 0 || end < start) throw new Wrong(`${file} lacks the lines\n${before}\n${after}`)
  const wanted = `${text.slice(0, start)}${before}\n${await table(path.dirname(path.resolve(file)))}\n${text.slice(end)}`
  if (wanted === text) return
  if (onlyCheck) throw new Wrong(`the table in ${file} is not what the tests do; run: node tests/interop/run.mjs --write-table ${file}`)
  writeFileSync(file, wanted)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    running?.kill()
    process.exit(1)
  })
}

// A promise that a product's test forgot, for example.
process.on('uncaughtException', (error) => {
  running?.kill()
  console.error(error)
  console.log(`FAILED  ${running?.product ?? 'before any product'}`)
  process.exit(1)
})

main(process.argv.slice(2)).then(
  // A product may have left something that would keep us alive, such as a connection.
  () => process.exit(),
  (error) => {
    console.error(error instanceof Wrong ? error.message : error)
    process.exit(error instanceof Wrong ? 2 : 1)
  },
)
