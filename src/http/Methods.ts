import { Effect } from "effect"
import * as FindMyWay from "effect/http/FindMyWay"
import * as HttpRouter from "effect/http/HttpRouter"

/**
 * The longest path parameter, as it stands in the URL: 128 characters of any script, percent-encoded, of
 * which each may be four bytes of UTF-8 and so twelve letters. Longer ones would not be found at all; what
 * a parameter may really be is its schema's to say.
 */
const routerConfig = { maxParamLength: 128 * 12, caseSensitive: true } as const

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const

/** The paths there are, by the URLs that name them. */
export interface Paths {
  /** The path that a URL names, as it was declared (`/api/v1/agents/:agent_id`); none where there is no such path. */
  readonly pathOf: (url: string) => string | undefined
  /** The methods of the path that a URL names; none where there is no such path. */
  readonly allowed: (url: string) => ReadonlyArray<string>
}

/**
 * A router that also remembers its paths and which methods each has, since Effect's says "not found" for
 * a known path with another method, where HTTP wants 405 and `Allow` (RFC 9110 section 15.5.6).
 */
export const make: Effect.Effect<{
  readonly router: HttpRouter.HttpRouter
  readonly paths: Paths
}> = Effect.map(Effect.provideService(HttpRouter.make, HttpRouter.RouterConfig, routerConfig), (inner) => {
  const known = FindMyWay.make<string>(routerConfig)
  const remember = (method: string, path: HttpRouter.PathInput): void =>
    known.on(method === "*" ? methods : method, path, path)
  const remembering = (router: HttpRouter.HttpRouter, prefix: string): HttpRouter.HttpRouter => ({
    ...router,
    prefixed: (further) => remembering(router.prefixed(further), HttpRouter.prefixPath(further, prefix)),
    add: (method, path, handler, options) => {
      remember(method, HttpRouter.prefixPath(path, prefix) as HttpRouter.PathInput)
      return router.add(method, path, handler, options)
    },
    addAll: (routes) => {
      for (const route of routes)
        remember(route.method, HttpRouter.prefixPath(route.path, prefix) as HttpRouter.PathInput)
      return router.addAll(routes)
    }
  })
  const find = (method: string, url: string): string | undefined => {
    const path = known.find(method, url)?.handler
    return path !== undefined && isSpelled(path, url) ? path : undefined
  }
  return {
    router: remembering(inner, ""),
    paths: {
      pathOf: (url) => {
        for (const method of methods) {
          const path = find(method, url)
          if (path !== undefined) return path
        }
        return undefined
      },
      allowed: (url) => {
        const found: Array<string> = methods.filter((method) => find(method, url) !== undefined)
        return found.includes("GET") ? [...found, "HEAD"] : found
      }
    }
  }
})

/**
 * Whether a URL spells a path letter for letter. The router forgives doubled and trailing slashes, `;x`,
 * `#x` and letters that are percent-encoded without need; a proxy's rule on `/api/internal` may not, and
 * would be passed by what it does not recognise.
 */
const isSpelled = (path: string, url: string): boolean => {
  const query = url.indexOf("?")
  const given = (query < 0 ? url : url.slice(0, query)).split("/")
  const wanted = path.split("/")
  return (
    given.length === wanted.length &&
    wanted.every((part, i) => (part.startsWith(":") ? !/[;#]/.test(given[i] ?? "") : part === given[i]))
  )
}
