#!/usr/bin/env bash
# Both stories on a private network: npm run demo -- [--story pool] [--quorum 3-of-5] [--keep] [--json]
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d node_modules ] || npm ci --no-audit --no-fund >&2
npx tsc -p tsconfig.build.json >&2
exec node dist/demo/main.js "$@"
