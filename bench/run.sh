#!/usr/bin/env bash
# Compares speeds in one run: npm run bench -- sign|build [--json] [--inputs 1,10,100,500] [--runs 7].
# Only ratios of one run mean anything: machines differ, and so do moments of one machine.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d node_modules ] || npm ci --no-audit --no-fund
npx tsc -p tsconfig.build.json
exec node dist/bench/main.js "$@"
