// The eyes on the shop: writes the Grafana dashboard, and checks dashboard, alerts and runbooks, alone and against a Prometheus that
// has watched a real shop. dev/eyes/check says how it is used.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error: "+err.Error())
		os.Exit(1)
	}
}

func run() error {
	flags := flag.NewFlagSet("eyes", flag.ExitOnError)
	root := flags.String("root", ".", "the checkout")
	prometheus := flags.String("prometheus", "http://127.0.0.1:9090", "where Prometheus is")
	patience := flags.Duration("patience", time.Minute, "how long a query may go without an answer")
	if len(os.Args) < 2 {
		return fmt.Errorf("say one of: dashboard, lint, ask")
	}
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	switch os.Args[1] {
	case "dashboard":
		text, err := dashboardText()
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(text)
		return err
	case "lint":
		return lint(*root)
	case "ask":
		return ask(*root, *prometheus, *patience)
	default:
		return fmt.Errorf("there is no command %q: say one of dashboard, lint, ask", os.Args[1])
	}
}
