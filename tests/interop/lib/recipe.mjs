// Recipes: what people read is what the tests run.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { recipes, requireFile } from './places.mjs'

const HEADINGS = (title) => [
  `# ${title}`,
  '## At the bridge',
  `## At ${title}`,
  '## Try it',
  '## Good to know',
  '## When it does not work',
]

export class Recipe {
  constructor(product) {
    this.name = `docs/recipes/${product}.md`
    this.text = readFileSync(requireFile(path.join(recipes, `${product}.md`), 'every product has a recipe'), 'utf8')
    this.blocks = blocksOf(this.text, this.name)
    this.unread = new Set(this.blocks.keys())
  }

  /**
   * The text of the block whose info string ends in this file name, such as ```toml sgid-bridge.toml.
   * @param replace example text and what stands for it in the test: { 'https://app.example.sg': 'http://localhost:1234' }
   */
  block(name, replace = {}) {
    const text = this.blocks.get(name)
    if (text === undefined) throw new Error(`${this.name} has no block called ${name}, only: ${[...this.blocks.keys()].join(', ')}`)
    this.unread.delete(name)
    let result = text
    // Longer ones first: https://login.example.sg/x is not https://login.example.sg.
    const pairs = Object.entries(replace).sort(([a], [b]) => b.length - a.length)
    for (const [example, value] of pairs) {
      if (!result.includes(example)) throw new Error(`${example} is not in the block ${name} of ${this.name}`)
      result = result.replaceAll(example, () => value)
    }
    const left = result.match(/[^\s"'`<>]*\bexample\.(sg|com|org)\b[^\s"'`<>]*/)
    if (left) throw new Error(`the test replaces nothing for ${left[0]} in the block ${name} of ${this.name}`)
    return result
  }

  /** Blocks whose text contains a language only (```sh) are for people; those with a file name are for the test. */
  mustBeRead() {
    if (this.unread.size) throw new Error(`the test does not use these blocks of ${this.name}: ${[...this.unread].join(', ')}`)
  }

  /** The headings, and the version at the end. */
  mustBeInShape({ product, title, version }) {
    const prose = this.text.replace(/^(`{3,}).*\n[\s\S]*?^\1 *$/gm, '')
    const headings = prose.match(/^##? .*$/gm) ?? []
    const wanted = HEADINGS(title)
    if (headings.join('\n') !== wanted.join('\n')) {
      throw new Error(`${this.name} must have these headings, and no other of the first two levels:\n${wanted.join('\n')}\nIt has:\n${headings.join('\n')}`)
    }
    const last = `Tested with ${version} by \`scripts/interop ${product}\`.`
    if (!this.text.trimEnd().endsWith(last)) throw new Error(`${this.name} must end with: ${last}`)
  }
}

function blocksOf(text, where) {
  const blocks = new Map()
  for (const [, , info, body] of text.matchAll(/^(`{3,})([^`\n]*)\n([\s\S]*?)^\1 *$/gm)) {
    const words = info.trim().split(/\s+/)
    if (words.length < 2) continue
    const name = words.at(-1)
    if (blocks.has(name)) throw new Error(`${where} has two blocks called ${name}`)
    blocks.set(name, body)
  }
  return blocks
}
