// The usual Go exporter, to compare with: main PORT FILE.
//
// Serves the gauges and counters of a text exposition in FILE, each held in a vector of client_golang.
package main

import (
	"log"
	"net/http"
	"os"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

func main() {
	registry := prometheus.NewRegistry()
	fill(registry, os.Args[2])
	debug.FreeOSMemory() // what only reading the file has needed is not counted
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	http.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

func fill(registry *prometheus.Registry, path string) {
	file, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(file)
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		register(registry, family)
	}
}

func register(registry *prometheus.Registry, family *dto.MetricFamily) {
	labels := labelNames(family.Metric[0])
	switch family.GetType() {
	case dto.MetricType_GAUGE:
		vector := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: family.GetName(), Help: family.GetHelp()}, labels)
		registry.MustRegister(vector)
		for _, metric := range family.Metric {
			vector.WithLabelValues(labelValues(metric)...).Set(metric.GetGauge().GetValue())
		}
	case dto.MetricType_COUNTER:
		vector := prometheus.NewCounterVec(prometheus.CounterOpts{Name: family.GetName(), Help: family.GetHelp()}, labels)
		registry.MustRegister(vector)
		for _, metric := range family.Metric {
			vector.WithLabelValues(labelValues(metric)...).Add(metric.GetCounter().GetValue())
		}
	}
}

func labelNames(metric *dto.Metric) []string {
	names := []string{}
	for _, label := range metric.Label {
		names = append(names, label.GetName())
	}
	return names
}

func labelValues(metric *dto.Metric) []string {
	values := []string{}
	for _, label := range metric.Label {
		values = append(values, label.GetValue())
	}
	return values
}
