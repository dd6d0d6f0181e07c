package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	alertsFile    = "charts/supercargo/files/alerts/supercargo.yaml"
	dashboardFile = "charts/supercargo/files/dashboards/supercargo.json"
	runbooks      = "docs/runbooks"
)

// What is asked of Prometheus: one expression, which has to answer.
type question struct {
	// Whose it is, for people.
	from string
	expr parser.Expr
	// The labels that each answer has to carry.
	labels []string
}

func (asked question) metrics() []string {
	var names []string
	parser.Inspect(asked.expr, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			name := selector.Name
			for _, matcher := range selector.LabelMatchers {
				if matcher.Name == labels.MetricName && name == "" {
					name = matcher.Value
				}
			}
			names = append(names, name)
		}
		return nil
	})
	return names
}

// What Grafana puts in by itself.
var variables = strings.NewReplacer("$namespace", ".*", "$__rate_interval", "1m", "$__range", "5m")

var promql = parser.NewParser(parser.Options{})

// parts takes an expression apart into what has to answer even when all is well: both sides of and, or, unless, and what is compared.
func parts(expr parser.Expr) []parser.Expr {
	// A product of numbers is a number, and always there.
	if expr.Type() == parser.ValueTypeScalar {
		return nil
	}
	switch node := expr.(type) {
	case *parser.ParenExpr:
		return parts(node.Expr)
	case *parser.BinaryExpr:
		if !node.Op.IsComparisonOperator() && !node.Op.IsSetOperator() {
			return []parser.Expr{node}
		}
		return append(parts(node.LHS), parts(node.RHS)...)
	case *parser.Call:
		switch node.Func.Name {
		case "absent":
			return parts(node.Args[0])
		case "vector":
			return nil
		}
	}
	return []parser.Expr{expr}
}

func questions(from, expression string, wanted []string) ([]question, error) {
	expr, err := promql.ParseExpr(variables.Replace(expression))
	if err != nil {
		return nil, fmt.Errorf("%s: %w in %s", from, err, expression)
	}
	var all []question
	for _, part := range parts(expr) {
		all = append(all, question{from, part, wanted})
	}
	return all, nil
}

func alertRules(root string) ([]rulefmt.Rule, error) {
	groups, errs := rulefmt.ParseFile(filepath.Join(root, alertsFile), false, model.UTF8Validation, promql)
	if len(errs) > 0 {
		return nil, fmt.Errorf("%s: %w", alertsFile, errs[0])
	}
	var rules []rulefmt.Rule
	for _, group := range groups.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules, nil
}

var (
	labelInText = regexp.MustCompile(`\$labels\.(\w+)`)
	labelInName = regexp.MustCompile(`\{\{(\w+)\}\}`)
	labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
)

func questionsOfAlerts(root string) ([]question, error) {
	rules, err := alertRules(root)
	if err != nil {
		return nil, err
	}
	var all []question
	for _, rule := range rules {
		asked, err := questions("the alert "+rule.Alert, rule.Expr, nil)
		if err != nil {
			return nil, err
		}
		// The first part is what fires, so it has to have the labels that the words speak of.
		for _, text := range rule.Annotations {
			for _, found := range labelInText.FindAllStringSubmatch(text, -1) {
				asked[0].labels = append(asked[0].labels, found[1])
			}
		}
		all = append(all, asked...)
	}
	return all, nil
}

// The parts of a dashboard that are looked at.
type committed struct {
	Templating struct {
		List []struct {
			Name       string
			Definition string
		}
	}
	Panels []struct {
		ID      int
		Title   string
		Targets []struct {
			Expr         string
			LegendFormat string
		}
	}
}

func readDashboard(root string) (committed, error) {
	var read committed
	text, err := os.ReadFile(filepath.Join(root, dashboardFile))
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	return read, err
}

func questionsOfDashboard(root string) ([]question, error) {
	read, err := readDashboard(root)
	if err != nil {
		return nil, err
	}
	var all []question
	for _, variable := range read.Templating.List {
		if found := labelValues.FindStringSubmatch(variable.Definition); found != nil {
			asked, err := questions("the variable "+variable.Name, found[1], []string{found[2]})
			if err != nil {
				return nil, err
			}
			all = append(all, asked...)
		}
	}
	for _, panel := range read.Panels {
		for _, target := range panel.Targets {
			var wanted []string
			for _, found := range labelInName.FindAllStringSubmatch(target.LegendFormat, -1) {
				wanted = append(wanted, found[1])
			}
			asked, err := questions(fmt.Sprintf("the panel %d, %q", panel.ID, panel.Title), target.Expr, wanted)
			if err != nil {
				return nil, err
			}
			all = append(all, asked...)
		}
	}
	return all, nil
}

func allQuestions(root string) ([]question, error) {
	ofAlerts, err := questionsOfAlerts(root)
	if err != nil {
		return nil, err
	}
	ofDashboard, err := questionsOfDashboard(root)
	return slices.Concat(ofAlerts, ofDashboard), err
}
