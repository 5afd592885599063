//go:build image

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/onecharge/pusherhub/pusherhub"
	"github.com/onecharge/pusherhub/pusherhub/hubtest"
)

// imageName is the image under test.
const imageName = "localhost/pusher-hub"

// builtImage builds the image when the first test asks for it. It is an error if that fails.
var builtImage = sync.OnceValue(func() error { return buildImage(imageName, "..") })

// imageDir holds the images, apart from those of this machine: see image/build.sh. It is not in the checkout, where
// tools that look for source files would find those of whole systems.
func imageDir() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "pusher-hub", "image"), err
}

// buildImage builds the Dockerfile in a folder.
func buildImage(name, folder string) error {
	dir, err := imageDir()
	if err != nil {
		return err
	}
	said, err := exec.Command("image/build.sh", dir, name, folder).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building %s: %w\n%s", name, err, said)
	}
	return nil
}

// container is a running container. It has the network of this machine, so its ports are free ones.
type container struct {
	*process

	port, apiPort int
	name          string
	t             testing.TB
}

// podman returns a command for the images of imageDir.
func podman(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	dir, err := imageDir()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command("podman", append([]string{
		"--storage-driver", "overlay", "--root", filepath.Join(dir, "storage"), "--runroot", filepath.Join(dir, "run"),
		"--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file",
	}, args...)...)
}

// runImage runs an image with the app of the environment on PORT, as a platform does, and waits until it serves.
// options are podman's.
func runImage(t testing.TB, image string, options ...string) *container {
	t.Helper()
	if err := builtImage(); err != nil {
		t.Fatal(err)
	}
	c := &container{port: freePort(t), apiPort: freePort(t), name: fmt.Sprintf("hub-%d-%d", os.Getpid(), freePort(t)), t: t}
	args := []string{
		"run", "--rm", "--name", c.name, "--network", "host", "--pull", "never", "--no-healthcheck",
		"--ulimit", "nofile=16384:16384", "--ulimit", "nproc=16384:16384",
		"--env", fmt.Sprintf("PORT=%d", c.port), "--env", fmt.Sprintf("HUB_PUBLISH_PORT=%d", c.apiPort), "--env", fmt.Sprintf("REVERB_PORT=%d", c.apiPort),
	}
	for _, variable := range environmentApp {
		args = append(args, "--env", variable)
	}
	c.process = startProcess(t, "container", podman(t, append(append(args, options...), image)...))
	c.expectLine(`"msg":"serving initial configuration"`)
	c.expectReady(200)
	return c
}

func (c *container) url() string { return fmt.Sprintf("http://127.0.0.1:%d", c.port) }

// site is the hub as clients see it.
func (c *container) site() *hubtest.Server {
	return hubtest.At(c.t, c.url(), pusherhub.AppConfig{ID: appID, Key: appKey, Secret: appSecret})
}

// exec runs a command in the container and returns what it says.
func (c *container) exec(command ...string) string {
	c.t.Helper()
	said, err := podman(c.t, append([]string{"exec", c.name}, command...)...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, said)
	}
	return string(said)
}

// expectReady waits until the readiness endpoint answers with that status.
func (c *container) expectReady(status int) {
	c.t.Helper()
	hubtest.Eventually(c.t, fmt.Sprintf("readiness %d", status), func() bool {
		return get(c.t, c.url()+"/.well-known/pusher-hub/ready").status == status
	})
}

// expectPHP makes sure that the demo's PHP answers.
func (c *container) expectPHP() {
	c.t.Helper()
	if a := get(c.t, c.url()+"/up"); a.status != 200 || a.body != "ok from PHP\n" {
		c.t.Errorf("found %d %q, expected PHP's answer", a.status, a.body)
	}
}
