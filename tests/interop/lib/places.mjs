// Where things are in the repository.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('../../../', import.meta.url))
export const inRepository = (...parts) => path.join(repository, ...parts)
export const products = inRepository('tests/interop/products')
export const recipes = inRepository('docs/recipes')
export const build = path.resolve(repository, process.env.CARGO_TARGET_DIR || 'target')

/** A file that must be there, or an error that says how to get it. */
export function requireFile(file, mend) {
  if (!existsSync(file)) throw new Error(`${file} is missing: ${mend}`)
  return file
}
