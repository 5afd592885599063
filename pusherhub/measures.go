package pusherhub

import (
	"reflect"
	"runtime/debug"
	"slices"

	"go.uber.org/zap"
)

// Who a [Measurement] is of if it is not of a plugin.
const (
	measuredByBroker = "broker"
	measuredByApps   = "apps"
)

// measures asks everybody who has figures of their own, once each: one plugin may serve several apps. Plugins of apps that
// a source found are asked while the app has sockets or channels. Figures that two of one name
// both have are added up.
func (h *Hub) measures() (all []Measurement) {
	var asked []any
	ask := func(name string, who any) {
		measurer, measures := who.(Measurer)
		if !measures {
			return
		}
		if reflect.ValueOf(who).Comparable() { // else it is a value, and stands for itself
			if slices.Contains(asked, who) {
				return
			}
			asked = append(asked, who)
		}
		for _, m := range h.measure(name, measurer) {
			all = append(all, Measurement{name, m})
		}
	}
	askPlugins := func(app *App) {
		for _, plugin := range app.cfg.Plugins {
			ask(plugin.Name(), plugin)
		}
	}
	if b := h.current.Load(); b != nil {
		ask(measuredByBroker, *b)
	}
	if s := h.settings.Load(); s != nil {
		ask(measuredByApps, s.source)
		apps, _ := s.listed()
		for _, app := range apps {
			askPlugins(app)
		}
	}
	h.eachState(func(state *appState) { askPlugins(state.app.Load()) })
	return sumMeasures(all)
}

// sumMeasures adds up figures that have the same names and the same app.
func sumMeasures(all []Measurement) (sums []Measurement) {
	type series struct{ of, name, app string }
	at := make(map[series]int, len(all))
	for _, m := range all {
		key := series{m.Of, m.Name, m.App}
		if i, found := at[key]; found {
			sums[i].Value += m.Value
			continue
		}
		at[key] = len(sums)
		sums = append(sums, m)
	}
	return sums
}

// measure asks one of them and survives its panic.
func (h *Hub) measure(name string, who Measurer) (measures []Measure) {
	defer func() {
		if v := recover(); v != nil {
			h.logger().Error("measuring panicked", zap.String("plugin", name), zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			h.counters.pluginPanics.Add(1)
			measures = nil
		}
	}()
	return who.Measures()
}
