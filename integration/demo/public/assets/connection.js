// The socket: same host, same port and same security as the page. Nothing is baked in at build time.

export function connect(key) {
    const secure = location.protocol === 'https:';
    const port = Number(location.port) || (secure ? 443 : 80);

    return new window.Echo.default({
        broadcaster: 'reverb',
        key,
        wsHost: location.hostname,
        wsPort: port,
        wssPort: port,
        forceTLS: secure,
        enabledTransports: ['ws', 'wss'],
    });
}

/** Shows the state of the connection, and why it ended if the hub said so. */
export function showConnection(echo) {
    const pill = document.getElementById('connection');
    const socketId = document.getElementById('socket-id');
    const { connection } = echo.connector.pusher;
    let reason = '';

    const show = () => {
        pill.dataset.state = connection.state;
        pill.textContent = connection.state + reason;
        socketId.textContent = echo.socketId() ?? '–';
    };
    connection.bind('state_change', ({ current }) => {
        if (current === 'connected') {
            reason = '';
        }
        show();
    });
    connection.bind('error', (error) => {
        // pusher-js wraps what comes with a close once more than what comes on an open connection.
        const data = error.data ?? error.error?.data;
        reason = data?.message ? `: ${data.message} (${data.code})` : '';
        show();
    });
    show();
}
