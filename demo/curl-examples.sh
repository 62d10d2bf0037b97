#!/usr/bin/env bash
# README's examples as one program: after `npm run demo -- --keep`, with the variables that it prints exported.
set -euo pipefail
cd "$(dirname "$0")/.."

# Each command as it stands in the README, in its order; a test compares them.
API="$WEIR_URL/v1"
AS=(-sS --fail-with-body -w '\n' -H "Authorization: Bearer $WEIR_TOKEN" -H 'Content-Type: application/json')
RUN=$(node -p 'Date.now()')
pick() { node -p 'process.argv[1].split(".").reduce((value, name) => value[name], JSON.parse(require("node:fs").readFileSync(0, "utf8")))' "$1"; }

curl -sS -w '\n' "$API/liquidity/status"

TOPUP=$(curl "${AS[@]}" "$API/prepaid/topups" -d @- <<JSON
{ "schema": "weir.prepaid.topup_request.v1", "idempotency_key": "topup-$RUN", "amount_msats": 50000000 }
JSON
)
$PAYER payinvoice --force --json "$(pick invoice <<< "$TOPUP")" > /dev/null
for _ in $(seq 100); do
  STATE=$(curl "${AS[@]}" "$API/prepaid/topups/$(pick topup_id <<< "$TOPUP")" | pick state)
  if [ "$STATE" = credited ]; then break; fi
  sleep 0.1
done
curl "${AS[@]}" "$API/prepaid"

INVOICE=$($PAYEE addinvoice --amt 1500 | pick payment_request)
QUOTE=$(curl "${AS[@]}" "$API/liquidity/quote_pay" -d @- <<JSON
{ "schema": "openagents.liquidity.quote_pay_request.v1", "idempotency_key": "order-$RUN", "invoice": "$INVOICE",
  "host": "shop.example", "max_amount_msats": 2000000, "max_fee_msats": 10000 }
JSON
)
PAY="{ \"schema\": \"openagents.liquidity.pay_request.v1\", \"quote_id\": \"$(pick quote_id <<< "$QUOTE")\" }"

PAID=$(curl "${AS[@]}" "$API/liquidity/pay" -d "$PAY")
AGAIN=$(curl "${AS[@]}" "$API/liquidity/pay" -d "$PAY")
test "$PAID" = "$AGAIN"
pick status <<< "$AGAIN"

curl "${AS[@]}" "$API/liquidity/payments/$(pick payment_hash <<< "$QUOTE")" | pick state

RECEIPT=$(pick receipt.receipt_id <<< "$PAID")
curl "${AS[@]}" "$API/receipts/$RECEIPT" | node dist/cli/weir.js receipts verify - --pool-key "$WEIR_POOL_KEY"

curl "${AS[@]}" "$API/events?after=0&limit=200" | pick next_after

INVOICE=$($PAYEE addinvoice --amt 10000 | pick payment_request)
curl "${AS[@]}" "$API/prepaid/withdrawals" -d @- <<JSON | pick status
{ "schema": "weir.prepaid.withdraw_request.v1", "idempotency_key": "out-$RUN", "invoice": "$INVOICE", "max_fee_msats": 10000 }
JSON
