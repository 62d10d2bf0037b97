#!/usr/bin/env bash
# Compares speeds in one run: npm run bench, or one table: npm run bench -- sign|build|pay|receipts|restart [--json].
# --help of each says more.
# Only ratios of one run mean anything: machines differ, and so do moments of one machine.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d node_modules ] || npm ci --no-audit --no-fund
npx tsc -p tsconfig.build.json
exec node dist/bench/main.js "$@"
