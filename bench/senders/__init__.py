"""The clients: DCMTK's storescu, lean ones of our own where no tool fits. None knows the peer."""
