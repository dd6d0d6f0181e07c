package main

import "fmt"

// The rows about the outside world, the REST, the processes and the audit.

func outsideRows() []row {
	return []row{
		{"Payment and carrier", outside()},
		{"REST", rest()},
		{"Processes", processes()},
		{"Audit", audit()},
		{"Certificates and volumes (metrics of others)", others()},
	}
}

func outside() []panel {
	panels := []panel{
		graph("Calls of the payment provider a second", "answered and declined are good answers; unavailable: not executed; interrupted: it failed; "+
			"unknown: no answer, it is asked what became of it", "ops", 8,
			query{perSecond("outcome", "supercargo_payment_provider_seconds_count"), "{{outcome}}"}).asStack(),
		graph("Payments a second", "By the phase that they came into", "ops", 8, query{perSecond("phase", "supercargo_payment_outcomes_total"), "{{phase}}"}),
		graph("Payments that need somebody", "Runbooks: payment-unknown, refund-refused", "short", 8,
			query{shared("phase", "supercargo_payments"), "{{phase}}"}),
	}
	panels = append(panels, latency("Payment provider", "By call", "call", "supercargo_payment_provider_seconds")...)
	panels = append(panels,
		graph("Calls of the carrier a second", "refused: an answer that is an error, of the address or the carrier's own; lost: no answer", "ops", 8,
			query{perSecond("outcome", "supercargo_shipping_carrier_seconds_count"), "{{outcome}}"}).asStack(),
		graph("Parcels a second", "By the phase that they came into", "ops", 8, query{perSecond("phase", "supercargo_shipping_phases_total"), "{{phase}}"}),
		graph("Mails a second", "", "ops", 8, query{perSecond("outcome", "supercargo_notifications_sendings_total"), "{{outcome}}"}))
	panels = append(panels, latency("Carrier", "By call", "call", "supercargo_shipping_carrier_seconds")...)
	return append(panels,
		graph("Webhooks a second", "What the provider and the carrier tell by themselves", "ops", 12,
			query{perSecond("outcome", "supercargo_payment_webhooks_total"), "payment, {{outcome}}"},
			query{perSecond("outcome", "supercargo_shipping_webhooks_total"), "carrier, {{outcome}}"}),
		graph("Stock movements a second", "", "ops", 12, query{perSecond("kind", "supercargo_inventory_movements_total"), "{{kind}}"}))
}

func rest() []panel {
	const requests = "supercargo_http_requests_total"
	panels := []panel{
		graph("Requests a second", "By the service that answers", "reqps", 8, query{perSecond("service", requests), "{{service}}"}).asStack(),
		graph("Answers that are errors, a second", "4xx are the caller's, 5xx ours", "reqps", 8,
			query{perSecond("service, status", requests, `status=~"4..|5.."`), "{{service}} {{status}}"}),
		graph("Share of answers that are not our errors", "Without 429, which is answered before", "percentunit", 8,
			query{fmt.Sprintf("%s / %s", perSecond("service", requests, `status!~"5.."`), perSecond("service", requests)), "{{service}}"}),
	}
	panels = append(panels, latency("Answer", "By the service that answers", "service", "supercargo_http_request_seconds")...)
	return append(panels,
		graph("Rate limited a second", "Answered with 429", "reqps", 12, query{perSecond("", "supercargo_rate_limited_total"), "429"}),
		graph("Tokens a second", "Who was let in, and who was not", "ops", 12, query{perSecond("outcome", "supercargo_tokens_total"), "{{outcome}}"}))
}

func processes() []panel {
	const roles = "operator|inventory|payment|shipping|notifications|catalog|accounts|orders|cart|storefront|audit"
	return []panel{
		graph("Leading", "1 at the operator that drives the orders, one a shop. Runbook: operator-not-leading", "short", 8,
			query{"max by (namespace, pod, instance) (" + in("supercargo_operator_leading") + ")", "{{namespace}} {{pod}} {{instance}}"}),
		graph("Processes that are seen", "How many tell something of themselves", "short", 8,
			query{`count by (namespace) (count by (namespace, instance) ({__name__=~"supercargo_.+", namespace=~"$namespace"}))`, "{{namespace}}"}),
		graph("Restarts in the last hour", "A metric of kube-state-metrics", "short", 8,
			query{`sum by (pod, container) (increase(` + in("kube_pod_container_status_restarts_total", `container=~"`+roles+`"`) + `[1h]))`, "{{pod}}"}),
	}
}

func audit() []panel {
	return []panel{
		graph("Findings", "Runbook: audit-finding", "short", 12,
			query{"sum by (rule) (max by (namespace, rule) (" + in("supercargo_audit_findings") + "))", "{{rule}}"}),
		graph("Orders checked", "", "short", 4, query{shared("", "supercargo_audit_orders"), "orders"}),
		graph("How long it took", "", "s", 4, query{"max by (namespace) (" + in("supercargo_audit_duration_seconds") + ")", "{{namespace}}"}),
		graph("Audits that could not check", "Since its process started. Runbook: audit-stands", "short", 4,
			query{"max by (namespace) (" + in("supercargo_audit_failures_total") + ")", "{{namespace}}"}),
	}
}

func others() []panel {
	return []panel{
		graph("Certificates: time left", "Metrics of cert-manager and of the blackbox exporter. Runbook: certificate-expires", "s", 12,
			query{"certmanager_certificate_expiration_timestamp_seconds - time()", "{{name}}"},
			query{`probe_ssl_earliest_cert_expiry{job=~".*supercargo.*"} - time()`, "{{instance}}"}),
		graph("Volumes: share that is free", "Metrics of the kubelet. Runbook: database-full", "percentunit", 12,
			query{fmt.Sprintf("%s / %s", in("kubelet_volume_stats_available_bytes"), in("kubelet_volume_stats_capacity_bytes")),
				"{{persistentvolumeclaim}}"}),
	}
}
