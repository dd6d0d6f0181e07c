package main

import (
	"bytes"
	"encoding/json"
)

// A row of panels.
type row struct {
	title  string
	panels []panel
}

// A panel: what it shows, as wide as it says of 24 columns.
type panel struct {
	title       string
	description string
	kind        string // timeseries, stat
	unit        string
	width       int
	stacked     bool
	// From this value on it is red; nil where there is no bad value.
	bad     *float64
	queries []query
}

// A query, and how its series are called: by labels in {{}}, which have to be there.
type query struct {
	expression string
	legend     string
}

const (
	statHeight  = 4
	graphHeight = 8
)

type object = map[string]any

var source = object{"type": "prometheus", "uid": "${datasource}"}

func dashboardText() ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(dashboard(rows()))
	return text.Bytes(), err
}

func dashboard(rows []row) object {
	return object{
		"uid": "supercargo", "title": "Supercargo", "tags": []string{"supercargo"},
		"description":   "A shop's orders: written by dev/eyes, whose check holds every query against a real shop.",
		"schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1, "timezone": "", "refresh": "30s",
		"time":        object{"from": "now-6h", "to": "now"},
		"annotations": object{"list": []object{}},
		"links":       []object{},
		"templating": object{"list": []object{
			{
				"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
				"current": object{}, "hide": 0, "refresh": 1, "regex": "", "options": []object{},
			},
			{
				"name": "namespace", "label": "Shop (namespace)", "type": "query", "datasource": source,
				"definition": namespaces, "query": object{"query": namespaces, "refId": "namespaces", "qryType": 1},
				"includeAll": true, "allValue": ".*", "multi": true, "refresh": 2, "sort": 1, "hide": 0, "regex": "",
				"current": object{"text": []string{"All"}, "value": []string{"$__all"}}, "options": []object{},
			},
		}},
		"panels": laidOut(rows),
	}
}

// laidOut places panels beside each other while there is room, rows one below the other.
func laidOut(rows []row) []object {
	var panels []object
	top := 0
	for _, row := range rows {
		panels = append(panels, object{
			"id": len(panels) + 1, "type": "row", "title": row.title, "collapsed": false, "panels": []object{},
			"gridPos": object{"x": 0, "y": top, "w": 24, "h": 1},
		})
		top++
		left, tallest := 0, 0
		for _, one := range row.panels {
			height := graphHeight
			if one.kind == "stat" {
				height = statHeight
			}
			if left+one.width > 24 {
				top, left, tallest = top+tallest, 0, 0
			}
			place := object{"x": left, "y": top, "w": one.width, "h": height}
			panels = append(panels, drawn(one, len(panels)+1, place))
			left, tallest = left+one.width, max(tallest, height)
		}
		top += tallest
	}
	return panels
}

func drawn(one panel, id int, place object) object {
	targets := []object{}
	for index, query := range one.queries {
		targets = append(targets, object{
			"refId": string(rune('A' + index)), "datasource": source, "expr": query.expression, "legendFormat": query.legend,
			"range": one.kind != "stat", "instant": one.kind == "stat", "editorMode": "code",
		})
	}
	steps := []object{{"color": "green", "value": nil}}
	if one.bad != nil {
		steps = append(steps, object{"color": "red", "value": *one.bad})
	}
	defaults := object{"unit": one.unit, "min": 0, "thresholds": object{"mode": "absolute", "steps": steps}}
	options := object{}
	switch one.kind {
	case "stat":
		defaults["color"] = object{"mode": "thresholds"}
		options = object{
			"colorMode": "background", "graphMode": "none", "textMode": "auto",
			"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		}
	default:
		stacking, fill := "none", 0
		if one.stacked {
			stacking, fill = "normal", 40
		}
		defaults["color"] = object{"mode": "palette-classic"}
		defaults["custom"] = object{
			"drawStyle": "line", "lineWidth": 1, "fillOpacity": fill, "showPoints": "never", "spanNulls": false,
			"stacking":        object{"group": "A", "mode": stacking},
			"thresholdsStyle": object{"mode": "off"},
		}
		options = object{
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}
	}
	return object{
		"id": id, "type": one.kind, "title": one.title, "description": one.description, "datasource": source, "gridPos": place,
		"fieldConfig": object{"defaults": defaults, "overrides": []object{}}, "options": options, "targets": targets,
	}
}
