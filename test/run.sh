#!/usr/bin/env bash
# Every test, end-to-end ones included. Arguments are handed to vitest: npm test -- test/policies
set -uo pipefail
cd "$(dirname "$0")/.."
[ -d node_modules ] || npm ci --no-audit --no-fund || exit 1
mkdir -p .cache
# Processes under test are the compiled ones: Node 20 does not run TypeScript.
npx tsc -p tsconfig.build.json || exit 1
# Where LND has to be built, the tests that do not need it run meanwhile: vitest puts the others last.
if [ $# -eq 0 ]; then
  node dist/regtest/main.js fetch > .cache/nodes.json &
  fetching=$!
  trap 'kill "$fetching" 2>/dev/null' EXIT
fi
report=.cache/test-report.json
rm -f "$report"
npx vitest run --reporter=default --reporter=json --outputFile="$report" "$@"
status=$?
node test/summary.mjs "$report" || status=1
exit $status
