//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// machine is where the figures come from.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Files  uint64 `json:"file_limit"`
	Load   string `json:"load_average_before"`
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Load: firstWord("/proc/loadavg"), Kernel: firstWord("/proc/sys/kernel/osrelease")}
	cpus, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		_, rest, _ := bytes.Cut(cpus, []byte("model name"))
		line, _, _ := strings.Cut(string(rest), "\n")
		m.CPU = strings.Trim(line, "\t :")
	}
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		m.Files = files.Max
	}
	return m
}

// firstWord returns the first word of a file of the kernel, empty if there is none.
func firstWord(file string) string {
	text, err := os.ReadFile(file)
	fields := strings.Fields(string(text))
	if err != nil || len(fields) == 0 {
		return ""
	}
	return fields[0]
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, Linux %s, %s, %d files per process, load average before: %s", m.CPU, m.Cores, m.Kernel, m.Go, m.Files, m.Load)
}

func (b *bench) describeMachine() {
	b.log("%v", b.machine)
	if b.machine.Load > "0.5" {
		b.log("The machine is busy: figures will be noisy.")
	}
}

// spareFiles is how many files a process has open beside its sockets, generously.
const spareFiles = 500

// sockets is how many sockets a server or a crowd can have.
func (m machine) sockets() int { return int(min(m.Files, 1<<20)) - spareFiles }

// possible leaves out the sizes that the file limit does not allow.
func (b *bench) possible(sizes []int) []int {
	return slices.DeleteFunc(sizes, func(n int) bool {
		if n <= b.machine.sockets() {
			return false
		}
		b.log("%s: left out %d sockets, because a process may have %d files only", b.scenario, n, b.machine.Files)
		return true
	})
}
