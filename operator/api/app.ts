/**
 * The pool over HTTP: the route table under both prefixes, tRPC, health, the OpenAPI document and its page. Every
 * answer that is a no is the same envelope, whoever says it.
 */
import { Hono } from 'hono';
import type { ApiRefusal } from '../pool-api.ts';
import { refuse } from '../reasons.ts';
import {
  type AnswerOptions,
  answerRoute,
  answerTrpc,
  type Env,
  jsonAnswer,
  refusalAnswer,
  TRPC_PATH,
} from './answer.ts';
import { docsPage } from './docs-page.ts';
import { type GateOptions, openGate } from './gate.ts';
import { openApiDocument } from './openapi.ts';
import { countRefusal, type RefusalCount } from './refusal-count.ts';
import { faultRefusal } from './refusal-error.ts';
import { PREFIXES, ROUTES } from './routes.ts';

export interface ApiOptions
  extends GateOptions,
    Pick<AnswerOptions, 'api' | 'fault' | 'proxyHops'> {
  /** Reasons why it is not ready; none when it is. Never asks a backend while somebody waits. */
  notReady: () => readonly string[];
  /** Every refusal that is answered is counted here. */
  refusals: RefusalCount;
}

export interface PoolApp {
  fetch: Hono<Env>['fetch'];
  request: Hono<Env>['request'];
}

/** Requests being answered at once, held `pay` and long polls included. */
const ANSWERING_MAX = 1_024;
/** Paths beside the route table, all of them GET. */
const OWN_PATHS = /^\/(livez|readyz|openapi\.json|docs)$/;
const HEALTH_PATHS = /^\/(livez|readyz)$/;
/** The page is static text with its own style, and runs nothing. */
const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  'x-content-type-options': 'nosniff',
};

export function poolApp(given: ApiOptions): PoolApp {
  const options = { ...given, publicUrl: given.publicUrl.replace(/\/+$/, '') };
  const app = new Hono<Env>();
  const count = (refusal: ApiRefusal): void => countRefusal(options.refusals, refusal);
  const no = (refusal: ApiRefusal): Response => {
    count(refusal);
    return refusalAnswer(refusal);
  };
  const { api, proxyHops, fault } = options;
  const inside = { api, fault, proxyHops, count, gate: openGate(options) };

  boundAnswering(app, no);
  addOwnPaths(app, options);
  for (const route of ROUTES) {
    for (const prefix of PREFIXES) {
      const path = prefix + route.path.replaceAll(/\{(\w+)\}/g, ':$1');
      app.on(route.method, path, (context) => answerRoute(route, context, inside));
    }
  }
  app.all(`${TRPC_PATH}/*`, (context) => answerTrpc(context, inside));
  app.notFound(({ req }) => no(unknownRoute(req.path, req.method)));
  app.onError((cause) => {
    fault(cause);
    return no(faultRefusal());
  });
  return { fetch: app.fetch, request: app.request };
}

/** Health is always answered: who asks decides whether this process lives. */
function boundAnswering(app: Hono<Env>, no: (refusal: ApiRefusal) => Response): void {
  let answering = 0;
  app.use(async ({ req }, next) => {
    if (answering >= ANSWERING_MAX && !HEALTH_PATHS.test(req.path)) {
      return no(refuse('overloaded', 'too much at once'));
    }
    answering += 1;
    try {
      await next();
    } finally {
      answering -= 1;
    }
    return undefined;
  });
}

function addOwnPaths(app: Hono<Env>, { publicUrl, notReady }: ApiOptions): void {
  const document = openApiDocument(publicUrl);
  const page = docsPage(publicUrl);
  app.get('/livez', () => jsonAnswer({ status: 'alive' }));
  app.get('/readyz', () => {
    const reasons = notReady();
    if (reasons.length === 0) return jsonAnswer({ status: 'ready', reasons });
    return jsonAnswer({ status: 'not_ready', reasons }, 503);
  });
  app.get('/openapi.json', () => jsonAnswer(document));
  app.get('/docs', () => new Response(page, { headers: PAGE_HEADERS }));
}

function unknownRoute(path: string, method: string): ApiRefusal {
  const known =
    OWN_PATHS.test(path) ||
    PREFIXES.some((prefix) =>
      ROUTES.some((route) =>
        new RegExp(`^${prefix}${route.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
      ),
    );
  return known
    ? refuse('method_unknown', `this route has no ${method}`)
    : refuse('route_unknown', 'there is no such route: /docs lists them');
}
