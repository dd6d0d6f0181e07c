package main

import "fmt"

// What the dashboard shows. Gauges that every replica shows alike are taken once a namespace by max, then added up over the namespaces chosen.

const namespaces = "label_values(supercargo_orders, namespace)"

func rows() []row {
	return append([]row{
		{"Now", now()},
		{"Orders", orders()},
		{"Effects and retries", effects()},
		{"Messages", messages()},
	}, outsideRows()...)
}

// in is the metric in the namespaces chosen, narrowed further by matchers.
func in(metric string, matchers ...string) string {
	selected := `namespace=~"$namespace"`
	for _, matcher := range matchers {
		selected += ", " + matcher
	}
	return fmt.Sprintf("%s{%s}", metric, selected)
}

// shared is a gauge that every replica shows alike.
func shared(by, metric string, matchers ...string) string {
	if by == "" {
		return fmt.Sprintf("sum(max by (namespace) (%s))", in(metric, matchers...))
	}
	return fmt.Sprintf("sum by (%s) (max by (namespace, %s) (%s))", by, by, in(metric, matchers...))
}

// perSecond is how fast a counter rises.
func perSecond(by, metric string, matchers ...string) string {
	if by == "" {
		return fmt.Sprintf("sum(rate(%s[$__rate_interval]))", in(metric, matchers...))
	}
	return fmt.Sprintf("sum by (%s) (rate(%s[$__rate_interval]))", by, in(metric, matchers...))
}

// quantile is the time that the given share of all does not exceed.
func quantile(share float64, by, metric string) string {
	return fmt.Sprintf("histogram_quantile(%g, sum by (le, %s) (rate(%s[$__rate_interval])))", share, by, in(metric+"_bucket"))
}

// latency is three panels: half, nineteen of twenty, all but one of a hundred take no longer.
func latency(title, description, by, metric string) []panel {
	var panels []panel
	for _, share := range []float64{0.5, 0.95, 0.99} {
		panels = append(panels, graph(fmt.Sprintf("%s, p%g", title, share*100), description, "s", 8,
			query{quantile(share, by, metric), "{{" + by + "}}"}))
	}
	return panels
}

func graph(title, description, unit string, width int, queries ...query) panel {
	return panel{title: title, description: description, kind: "timeseries", unit: unit, width: width, queries: queries}
}

func (one panel) asStack() panel {
	one.stacked = true
	return one
}

// number is one figure, red from the bad value on.
func number(title, description, unit string, bad float64, expression string) panel {
	return panel{title: title, description: description, kind: "stat", unit: unit, width: 3, bad: &bad, queries: []query{{expression, ""}}}
}

func now() []panel {
	return []panel{
		number("Stuck", "Orders that wait for a person. Runbook: order-stuck", "short", 1, shared("", "supercargo_orders", `phase="Stuck"`)),
		number("Payments unknown", "Nobody knows yet whether they were taken. Runbook: payment-unknown", "short", 1,
			shared("", "supercargo_payments", `phase="Unknown"`)),
		number("Refunds refused", "Runbook: refund-refused", "short", 1, shared("", "supercargo_payments", `phase="Failed"`)),
		number("Dead letters", "Messages that could not be handled. Runbook: dead-letters", "short", 1, shared("", "supercargo_dead_letters_waiting")),
		number("Oldest not told", "How long the oldest event or report has waited in an outbox. Runbook: outbox-age", "s", 120,
			"max("+in("supercargo_outbox_age_seconds")+")"),
		number("Audit findings", "What must always hold and does not. Runbook: audit-finding", "short", 1,
			"sum(max by (namespace, rule) ("+in("supercargo_audit_findings")+"))"),
		number("Last audit", "How long ago it came to its end. Runbook: audit-stands", "s", 900,
			"time() - min(max by (namespace) ("+in("supercargo_audit_last_run_timestamp_seconds")+"))"),
		number("Alerts", "Those of this shop that wait or fire. Its runbook is in each of them", "short", 1,
			"count("+in("ALERTS", `alertname=~"Supercargo.+"`)+") or vector(0)"),
	}
}

func orders() []panel {
	const ended = "Completed|Rejected|Failed|Cancelled"
	panels := []panel{
		graph("On their way, by phase", "Orders that have not ended", "short", 12,
			query{shared("phase", "supercargo_orders", `phase!~"`+ended+`"`), "{{phase}}"}).asStack(),
		graph("Ended, by phase", "All that ever ended", "short", 12, query{shared("phase", "supercargo_orders", `phase=~"`+ended+`"`), "{{phase}}"}),
		graph("Transitions a second", "Phases that orders came into, also those that were not written because the next one followed at once", "ops", 8,
			query{perSecond("phase", "supercargo_order_transitions_total"), "{{phase}}"}),
		graph("Placed by REST a second", "Without those that were applied to the cluster", "ops", 8,
			query{perSecond("", "supercargo_orders_placed_total"), "orders"}),
		graph("Stuck, and missing a transition", "A missing transition is told again by itself", "short", 8,
			query{shared("", "supercargo_orders", `phase="Stuck"`), "stuck"}, query{shared("", "supercargo_orders_with_gaps"), "history has a gap"}),
	}
	return append(panels, latency("Time in a phase", "How long orders were in the phase that they left", "phase", "supercargo_order_phase_seconds")...)
}

func effects() []panel {
	panels := []panel{
		graph("Commands a second", "What the operator asks of each service", "ops", 8,
			query{perSecond("service", "supercargo_commands_published_total"), "{{service}}"}),
		graph("Commands sent again a second", "They were not answered in time", "ops", 8,
			query{perSecond("kind", "supercargo_commands_redriven_total"), "{{kind}}"}),
		graph("Status writes a second", "The dearest thing in an order's life", "ops", 8,
			query{perSecond("kind", "supercargo_status_writes_total"), "{{kind}}"}),
		graph("Failures to drive an order, a second", "Each is tried again. kubernetes: the API server refused or was away; question: a service did not "+
			"answer; publish: NATS did not", "ops", 12,
			query{perSecond("kind, category", "supercargo_reconcile_failures_total"), "{{kind}} {{category}}"}),
		graph("Events a second", "What services and operator tell, by type", "ops", 12,
			query{perSecond("type", "supercargo_events_published_total"), "{{type}}"}),
	}
	return append(panels, latency("One look at an order", "What the operator does in one go", "kind", "supercargo_reconcile_seconds")...)
}

func messages() []panel {
	return []panel{
		graph("Handled a second", "", "ops", 8, query{perSecond("consumer", "supercargo_messages_total", `outcome="handled"`), "{{consumer}}"}),
		graph("Failed a second", "Tried again with growing waits; the eighth failure makes a dead letter", "ops", 8,
			query{perSecond("consumer", "supercargo_messages_total", `outcome="failed"`), "{{consumer}}"}),
		graph("Lag", "Messages that were not delivered to the consumer yet. Runbook: consumer-lag", "short", 8,
			query{shared("stream, consumer", "supercargo_consumer_lag"), "{{stream}} {{consumer}}"}),
		graph("Delivered, not acknowledged", "What is being handled, or waits for its next try", "short", 8,
			query{shared("stream, consumer", "supercargo_consumer_unacknowledged"), "{{stream}} {{consumer}}"}),
		graph("Dead letters that wait", "Runbook: dead-letters", "short", 8, query{shared("", "supercargo_dead_letters_waiting"), "waiting"}),
		graph("New dead letters a second", "By who could not handle them", "ops", 8,
			query{perSecond("stream, consumer", "supercargo_dead_letters_total"), "{{stream}} {{consumer}}"}),
		graph("Outbox: waiting", "Events and reports that are committed and not told", "short", 8,
			query{shared("service", "supercargo_outbox_waiting"), "{{service}}"}),
		graph("Outbox: age of the oldest", "Runbook: outbox-age", "s", 8, query{shared("service", "supercargo_outbox_age_seconds"), "{{service}}"}),
		graph("Databases", "Services that share a database show the same. Runbook: database-full", "bytes", 8,
			query{shared("service", "supercargo_database_bytes"), "{{service}}"}),
	}
}
