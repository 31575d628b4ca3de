"""Panels of ours share the right-hand side as tabs."""

import pytest
from qtpy.QtWidgets import QDockWidget

pytestmark = pytest.mark.gui


def test_panels_opened_from_the_menu_are_tabs_beside_the_workspace(viewer, workspace, qtbot):
    window = viewer.window._qt_window
    viewer.show()
    docks = []
    for name in ("Population", "Compare methods"):
        dock, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", name)
        docks.append((dock, widget))
        qtbot.wait(100)
    first = next(d for d in window.findChildren(QDockWidget) if d.isAncestorOf(workspace))
    tabs = window.tabifiedDockWidgets(first)
    for dock, widget in docks:
        assert dock in tabs
        widget.disconnect_all()


def test_a_panel_alone_stays_where_napari_put_it(viewer, qtbot):
    viewer.show()
    dock, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Population")
    qtbot.wait(100)
    assert not viewer.window._qt_window.tabifiedDockWidgets(dock)
    widget.disconnect_all()


def test_the_workspace_opens_every_panel(viewer, workspace, qtbot):
    menu = workspace.panel.more.menu()
    names = [action.text() for action in menu.actions()]
    assert {"Behaviour and movies", "Population", "Project"} <= set(names)
    next(a for a in menu.actions() if a.text() == "Population").trigger()
    assert any("Population" in name for name in viewer.window._wrapped_dock_widgets)
