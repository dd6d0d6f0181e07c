package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Metrics that others export, and why we use them.
var foreign = map[string]string{
	"certmanager_certificate_expiration_timestamp_seconds": "cert-manager's: the shop ends no TLS itself and sees no certificate",
	"probe_ssl_earliest_cert_expiry":                       "the blackbox exporter's, for certificates that are no resources of cert-manager's",
	"kubelet_volume_stats_available_bytes":                 "the kubelet's: a database does not know how large its disk is",
	"kubelet_volume_stats_capacity_bytes":                  "the kubelet's: as above",
	"kube_pod_container_status_restarts_total":             "kube-state-metrics': a process does not know how often it was started",
}

// Metrics that Prometheus itself makes of the rules, and the selector of all of ours.
var prometheusOwn = []string{"ALERTS", "supercargo_.+"}

// lint checks all that needs no shop.
func lint(root string) error {
	asked, err := allQuestions(root)
	if err != nil {
		return err
	}
	var faults []error
	for _, look := range []func(string) []error{lintDashboard, lintAlerts, lintRunbooks} {
		faults = append(faults, look(root)...)
	}
	exported, err := metricsOfTheCode(root)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, one := range asked {
		for _, name := range one.metrics() {
			used[name] = true
			plain := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				plain = strings.TrimSuffix(plain, suffix)
			}
			if !exported[name] && !exported[plain] && foreign[name] == "" && !slices.Contains(prometheusOwn, name) {
				faults = append(faults, fmt.Errorf("%s asks for %s, which the code does not export", one.from, name))
			}
		}
	}
	for name := range foreign {
		if !used[name] {
			faults = append(faults, fmt.Errorf("%s stands among the metrics of others (dev/eyes/lint.go), and nothing asks for it", name))
		}
	}
	if len(faults) == 0 {
		fmt.Printf("%d expressions over %d metrics: each is exported by the code, or by those named in dev/eyes/lint.go\n", len(asked), len(used))
	}
	return errors.Join(faults...)
}

func lintDashboard(root string) []error {
	wanted, err := dashboardText()
	if err != nil {
		return []error{err}
	}
	if text, err := os.ReadFile(filepath.Join(root, dashboardFile)); err != nil || !bytes.Equal(text, wanted) {
		return []error{fmt.Errorf("%s is not what dev/eyes writes: run dev/eyes/check --write, and look at the difference", dashboardFile)}
	}
	return nil
}

// A file of unit tests, as promtool reads it.
type unitTests struct {
	Tests []struct {
		Queries []struct {
			Expr    string           `yaml:"expr"`
			Samples []map[string]any `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
	}
}

// lintAlerts: each says how bad it is and where its runbook is, and is tested to fire and not to fire.
func lintAlerts(root string) []error {
	rules, err := alertRules(root)
	if err != nil {
		return []error{err}
	}
	files, _ := filepath.Glob(filepath.Join(root, "dev/eyes/tests/*.yaml"))
	fires, rests := map[string]bool{}, map[string]bool{}
	name := regexp.MustCompile(`alertname="(\w+)"`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return []error{err}
		}
		var tests unitTests
		if err := yaml.Unmarshal(text, &tests); err != nil {
			return []error{fmt.Errorf("%s: %w", file, err)}
		}
		for _, test := range tests.Tests {
			for _, query := range test.Queries {
				if found := name.FindStringSubmatch(query.Expr); found != nil {
					if len(query.Samples) > 0 {
						fires[found[1]] = true
					} else {
						rests[found[1]] = true
					}
				}
			}
		}
	}
	var faults []error
	for _, rule := range rules {
		fault := func(text string) { faults = append(faults, fmt.Errorf("the alert %s %s", rule.Alert, text)) }
		if !slices.Contains([]string{"critical", "warning"}, rule.Labels["severity"]) {
			fault("is neither critical nor warning")
		}
		if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			fault("has no summary or no description")
		}
		if !fires[rule.Alert] || !rests[rule.Alert] {
			fault("has no test that it fires, or none that it does not: see dev/eyes/tests")
		}
		page, ok := strings.CutPrefix(rule.Annotations["runbook_url"], "__RUNBOOKS__/")
		text, err := os.ReadFile(filepath.Join(root, runbooks, page))
		switch {
		case !ok:
			fault("has no runbook_url of the form __RUNBOOKS__/PAGE.md")
		case err != nil:
			fault(fmt.Sprintf("names the runbook %s, which cannot be read: %v", page, err))
		case !bytes.Contains(text, []byte("`"+rule.Alert+"`")):
			fault(fmt.Sprintf("is not named in its runbook %s", page))
		}
	}
	return faults
}

// lintRunbooks: each belongs to an alert, is in the list, and is a page at most.
func lintRunbooks(root string) []error {
	rules, err := alertRules(root)
	if err != nil {
		return []error{err}
	}
	list, err := os.ReadFile(filepath.Join(root, runbooks, "README.md"))
	if err != nil {
		return []error{err}
	}
	files, _ := filepath.Glob(filepath.Join(root, runbooks, "*.md"))
	var faults []error
	for _, file := range files {
		page := filepath.Base(file)
		if page == "README.md" {
			continue
		}
		fault := func(text string) { faults = append(faults, fmt.Errorf("the runbook %s %s", page, text)) }
		named := false
		for _, rule := range rules {
			named = named || rule.Annotations["runbook_url"] == "__RUNBOOKS__/"+page
		}
		if !named {
			fault("belongs to no alert")
		}
		if !bytes.Contains(list, []byte("]("+page+")")) {
			fault("is not in the list of docs/runbooks/README.md")
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return []error{err}
		}
		if lines := bytes.Count(text, []byte("\n")); lines > 60 {
			fault(fmt.Sprintf("has %d lines: a page is 60", lines))
		}
		for _, heading := range []string{"## What it means", "## Look first", "## Mend", "## Afterwards"} {
			if !bytes.Contains(text, []byte(heading+"\n")) {
				fault("lacks the heading " + heading)
			}
		}
	}
	return faults
}

// metricsOfTheCode are the names of all metrics that the sources export.
func metricsOfTheCode(root string) (map[string]bool, error) {
	exported := map[string]bool{}
	made := regexp.MustCompile(`(?:counter|gauge|histogram)!\(\s*"(supercargo_\w+)"`)
	for _, folder := range []string{"src", "operator", "crates", "services"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".rs" {
				return err
			}
			text, err := os.ReadFile(path)
			for _, found := range made.FindAllSubmatch(text, -1) {
				exported[string(found[1])] = true
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return exported, nil
}
