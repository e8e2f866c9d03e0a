/**
 * Preloaded into a gateway that is to be sabotaged (`node --import ./test/torture/sabotage/hook.ts`): rewrites
 * the files that TORTURE_SABOTAGE names as they are loaded. The product itself has no seam for it.
 */
import { registerHooks } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { leaseOf } from "./lease.ts"
import { type Edit, sabotages } from "./Sabotages.ts"

const root = join(import.meta.dirname, "../../..")

const editsWanted = (): ReadonlyArray<Edit> => {
  const { TORTURE_LEASE_MS: lease, TORTURE_SABOTAGE: name } = process.env
  const sabotage = name === undefined ? undefined : sabotages[name]
  if (name !== undefined && sabotage === undefined) throw new Error(`There is no sabotage called ${name}`)
  return [...(sabotage?.edits ?? []), ...(lease === undefined ? [] : [leaseOf(Number(lease))])]
}

const edits = Map.groupBy(editsWanted(), ({ file }) => pathToFileURL(join(root, file)).href)

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context)
    const wanted = edits.get(url)
    if (wanted === undefined) return loaded
    let source = Buffer.from(loaded.source as Uint8Array).toString("utf8")
    for (const { file, instead, snippet } of wanted) {
      const times = source.split(snippet).length - 1
      if (times !== 1) throw new Error(`${file} has the snippet of a sabotage ${times} times:\n${snippet}`)
      // A function, since the text of a replacement may hold what `replace` has a meaning for.
      source = source.replace(snippet, () => instead)
    }
    return { ...loaded, source }
  }
})
