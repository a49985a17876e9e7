// Command kubelet-streams carries out `kubectl exec` and `kubectl port-forward` for the tests' process kubelet.
//
// It listens on a Unix socket that only the kubelet reaches. The kubelet passes requests on as the API server sent
// them, with one header more: the process that stands for the container, or for the pod.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	utilexec "k8s.io/utils/exec"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

const (
	pidHeader       = "X-Target-Pid"
	idleTimeout     = 4 * time.Hour
	creationTimeout = 30 * time.Second
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kubelet-streams SOCKET")
		os.Exit(2)
	}
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubelet-streams:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "kubelet-streams:", http.Serve(listener, http.HandlerFunc(serve)))
	os.Exit(1)
}

// serve answers /exec/NAMESPACE/POD/CONTAINER and /portForward/NAMESPACE/POD.
func serve(w http.ResponseWriter, req *http.Request) {
	pid, err := strconv.Atoi(req.Header.Get(pidHeader))
	if err != nil {
		http.Error(w, pidHeader+" names no process", http.StatusBadRequest)
		return
	}
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch {
	case parts[0] == "exec" && len(parts) == 4:
		options, err := remotecommand.NewOptions(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		command := req.URL.Query()["command"]
		remotecommand.ServeExec(w, req, target(pid), parts[2], "", parts[3], command, options, idleTimeout, creationTimeout, remotecommand.SupportedStreamingProtocols)
	case parts[0] == "portForward" && len(parts) == 3:
		options, err := portforward.NewV4Options(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		portforward.ServePortForward(w, req, target(pid), parts[2], "", options, idleTimeout, creationTimeout, portforward.SupportedProtocols)
	default:
		http.NotFound(w, req)
	}
}

// target is the process whose namespaces are entered.
type target int

// ExecInContainer runs a command as the container's own user, in its namespaces and with its environment.
func (t target) ExecInContainer(ctx context.Context, _, _, _ string, command []string, in io.Reader, out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	inside, err := t.command(ctx, command)
	if err != nil {
		return err
	}
	if tty {
		err = onTerminal(inside, in, out, resize)
	} else {
		inside.Stdin, inside.Stdout, inside.Stderr = in, out, errOut
		err = inside.Run()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return utilexec.CodeExitError{Err: err, Code: exit.ExitCode()}
	}
	return err
}

func (t target) command(ctx context.Context, command []string) (*exec.Cmd, error) {
	owner, err := os.Stat(fmt.Sprintf("/proc/%d", t))
	if err != nil {
		return nil, err
	}
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", t))
	if err != nil {
		return nil, err
	}
	who := owner.Sys().(*syscall.Stat_t)
	arguments := []string{fmt.Sprintf("--target=%d", t), "--net", "--mount", "--uts", "--root", "--wd"}
	if int(who.Uid) != os.Geteuid() {
		arguments = append(arguments, fmt.Sprintf("--setuid=%d", who.Uid), fmt.Sprintf("--setgid=%d", who.Gid))
	}
	inside := exec.CommandContext(ctx, "nsenter", append(append(arguments, "--"), command...)...)
	for _, variable := range bytes.Split(environment, []byte{0}) {
		if len(variable) > 0 {
			inside.Env = append(inside.Env, string(variable))
		}
	}
	return inside, nil
}

func onTerminal(inside *exec.Cmd, in io.Reader, out io.WriteCloser, resize <-chan remotecommand.TerminalSize) error {
	terminal, err := pty.Start(inside)
	if err != nil {
		return err
	}
	defer terminal.Close()
	go func() {
		for size := range resize {
			_ = pty.Setsize(terminal, &pty.Winsize{Rows: size.Height, Cols: size.Width})
		}
	}()
	if in != nil {
		go func() { _, _ = io.Copy(terminal, in) }()
	}
	_, _ = io.Copy(out, terminal)
	return inside.Wait()
}

// PortForward connects the stream to a port of the pod's own loopback address.
func (t target) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	connection, err := t.dial(port)
	if err != nil {
		return err
	}
	defer connection.Close()
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(connection, stream)
		_ = connection.(*net.TCPConn).CloseWrite()
		close(done)
	}()
	_, err = io.Copy(stream, connection)
	_ = stream.Close()
	<-done
	return err
}

// dial connects from the pod's network. The thread that entered it ends with its goroutine and is never used again.
func (t target) dial(port int32) (net.Conn, error) {
	type outcome struct {
		connection net.Conn
		err        error
	}
	found := make(chan outcome)
	go func() {
		runtime.LockOSThread()
		namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", t))
		if err == nil {
			err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
			_ = namespace.Close()
		}
		if err != nil {
			found <- outcome{nil, err}
			return
		}
		// numeric, without a fallback that would dial from a goroutine of another thread
		dialer := net.Dialer{FallbackDelay: -1, Timeout: creationTimeout}
		connection, err := dialer.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		found <- outcome{connection, err}
	}()
	result := <-found
	return result.connection, result.err
}
