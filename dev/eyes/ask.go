package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Alerts that the faults of a run must raise: at once, for their waits are the unit tests' matter.
var raised = []string{
	"SupercargoOrderStuck", "SupercargoPaymentUnknown", "SupercargoRefundRefused", "SupercargoDeadLetters", "SupercargoAuditStands",
}

type prometheus struct {
	address string
	client  http.Client
}

// get asks the API and reads what is in `data`.
func (server *prometheus) get(path string, parameters url.Values, data any) error {
	context, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(context, http.MethodGet, server.address+path+"?"+parameters.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := server.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Status string
		Error  string
		Data   json.RawMessage
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return json.Unmarshal(answer.Data, data)
}

// fault says why a question is not answered; nil when it is.
func (server *prometheus) fault(asked question) error {
	var data struct {
		ResultType string
		Result     []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := server.get("/api/v1/query", url.Values{"query": {asked.expr.String()}}, &data); err != nil {
		return err
	}
	if len(data.Result) == 0 {
		return errors.New("answers no series")
	}
	var labelled []string
	for _, series := range data.Result {
		text, _ := series.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(value) {
			continue
		}
		lacking := slices.DeleteFunc(slices.Clone(asked.labels), func(label string) bool { return series.Metric[label] != "" })
		if len(lacking) == 0 {
			return nil
		}
		labelled = lacking
	}
	if labelled != nil {
		return fmt.Errorf("answers no series with the labels %s", strings.Join(labelled, ", "))
	}
	return errors.New("answers no number")
}

// ask asks all that dashboard and alerts ask, until each has answered once.
func ask(root, address string, patience time.Duration) error {
	all, err := allQuestions(root)
	if err != nil {
		return err
	}
	server := &prometheus{address: strings.TrimSuffix(address, "/")}
	waiting := slices.DeleteFunc(slices.Clone(all), func(one question) bool {
		return slices.ContainsFunc(one.metrics(), func(name string) bool { return foreign[name] != "" })
	})
	own := len(waiting)
	faults := map[string]error{}
	alerts := slices.Clone(raised)
	began := time.Now()
	for len(waiting)+len(alerts) > 0 {
		waiting = slices.DeleteFunc(waiting, func(one question) bool {
			err := server.fault(one)
			faults[one.from+one.expr.String()] = err
			return err == nil
		})
		seen, err := server.alerts()
		if err != nil {
			return fmt.Errorf("failed to ask %s for its alerts: %w", address, err)
		}
		alerts = slices.DeleteFunc(alerts, func(name string) bool { return slices.Contains(seen, name) })
		if len(waiting)+len(alerts) == 0 || time.Since(began) > patience {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	var found []error
	for _, one := range waiting {
		found = append(found, fmt.Errorf("%s: %w: %s", one.from, faults[one.from+one.expr.String()], one.expr))
	}
	for _, name := range alerts {
		found = append(found, fmt.Errorf("the alert %s is not raised, although the run gives it cause", name))
	}
	if err := server.rulesHold(); err != nil {
		found = append(found, err)
	}
	if len(found) == 0 {
		fmt.Printf("%d expressions of dashboard and alerts are answered, and %d alerts raised, after %.0f s; %d more are of metrics of others\n",
			own, len(raised), time.Since(began).Seconds(), len(all)-own)
	}
	return errors.Join(found...)
}

// alerts are the names of those that wait or fire. Their words must have been filled in.
func (server *prometheus) alerts() ([]string, error) {
	var data struct {
		Alerts []struct {
			Labels      map[string]string
			Annotations map[string]string
		}
	}
	if err := server.get("/api/v1/alerts", nil, &data); err != nil {
		return nil, err
	}
	var names []string
	for _, alert := range data.Alerts {
		name := alert.Labels["alertname"]
		names = append(names, name)
		for key, text := range alert.Annotations {
			if strings.Contains(text, "<error") || strings.Contains(text, "<no value>") || strings.Contains(text, "{{") {
				return nil, fmt.Errorf("the alert %s says as its %s: %s", name, key, text)
			}
		}
	}
	return names, nil
}

// rulesHold: Prometheus evaluates all rules without an error.
func (server *prometheus) rulesHold() error {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := server.get("/api/v1/rules", nil, &data); err != nil {
		return err
	}
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			if rule.Health != "ok" {
				return fmt.Errorf("the alert %s is %s: %s", rule.Name, rule.Health, rule.LastError)
			}
		}
	}
	return nil
}
